"""Objects in the image from any YOLO model of ultralytics: boxes, and counts for filters such as `dog>=2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgret.photo import Detection, Tag
from imgret.stages.interface import PIXELS, Item, LabelMatcher, Result, Stage, StageModel, StageSettings
from imgret.stages.passage import counts, numeral
from imgret.stages.plurals import counted, plural

if TYPE_CHECKING:
    from imgret.models.model_protocols import Detector
    from imgret.places import Places
    from imgret.weights.sources import Weights


class DetectSettings(StageSettings, frozen=True):
    """`[detect]`: any ultralytics weights, `.pt` or `.onnx`."""

    weights: str = "yolov8m-oiv7.pt"
    confidence: float = 0.25  # the least of an object; the default of ultralytics and of the baseline recipe
    dtype: str = "auto"  # for `.pt` weights; an `.onnx` file has a fixed one


class DetectModel(StageModel):
    """Adapts a detector to the interface of a stage model."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.identity = detector.identity

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return the boxes of each photo, in the order of the model."""
        images = [item.pixels for item in items if item.pixels is not None]
        return [Result(found) for found in self.detector.detect(images)]

    def close(self) -> None:
        """Release the memory."""
        self.detector.close()


class Detect(Stage):
    """The detect stage. Its payload is the boxes."""

    name = "detect"
    inputs = (PIXELS,)
    tier = 2
    settings = DetectSettings
    demo = "detect.pt"
    ranges = {"confidence": (0, 1)}
    payload = tuple[Detection, ...]
    noun = "detections"
    lack = "no counts of objects"
    kinds = ("object",)

    def locate(self, settings: DetectSettings, places: Places) -> Weights:
        """Locate the weights; local ones are a `.pt` or `.onnx` file."""
        from imgret.weights import sources

        return sources.locate(
            self.name, settings.weights, settings.revision, places, suffixes=(".pt", ".onnx")
        )

    def packages(self, settings: DetectSettings, path: str | None) -> Mapping[str, str]:
        """Return onnxruntime for an `.onnx` file, ultralytics for a `.pt`."""
        if settings.weights.endswith(".onnx"):
            return {"onnxruntime": "imgret[onnx]"}
        return {"ultralytics": "imgret[detect]"}

    def shape(self, settings: DetectSettings) -> str:
        """Return the minimal confidence, and the dtype unless it is `auto`."""
        dtype = "" if settings.dtype == "auto" else f" dtype={settings.dtype}"
        return f"confidence={settings.confidence:g}{dtype}"

    def load(self, settings: DetectSettings, places: Places, device: str) -> DetectModel:
        """Load the network from a `.pt` or an `.onnx` file."""
        from imgret.models import torch_device

        path, identity = self.checked(settings, places)
        if path.endswith(".onnx"):  # needs neither torch nor ultralytics, which take seconds and much memory
            torch_device.prepare(places)
            from imgret.models.yolo_onnx import OnnxDetector

            return DetectModel(OnnxDetector(path, identity, device, confidence=settings.confidence))
        device = torch_device.ready(places, device)
        from imgret.models.yolo import YoloDetector

        return DetectModel(
            YoloDetector(path, identity, device, confidence=settings.confidence, dtype=settings.dtype)
        )

    def tags(self, payload: tuple[Detection, ...]) -> list[Tag]:
        """Return each label with its count."""
        return [Tag("object", label, count) for label, count in counts(payload).items()]

    def json(self, payload: tuple[Detection, ...] | None) -> dict[str, Any]:
        """Return `objects`: label -> count, in the order of detection."""
        return {"objects": counts(payload or ())}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the counts, highest first."""
        most_first = sorted(shown["objects"].items(), key=lambda label_count: -label_count[1])
        text = ", ".join(counted(count, label) for label, count in most_first)
        return [("objects", text)] if text else []

    def why(self, shown: Mapping[str, Any], word: str, matching: LabelMatcher) -> list[str]:
        """Return, for example, `two dogs` for a word that matches the label `dog`."""
        objects: dict[str, int] = shown["objects"]
        return [
            f"{numeral(count)} {label if count == 1 else plural(label)}"
            for label in matching(word, objects)
            for count in (objects[label],)
        ]


STAGE = Detect()
