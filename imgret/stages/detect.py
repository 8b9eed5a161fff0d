"""Objects in the picture, by any YOLO that ultralytics runs: boxes, and counts for filters such as `dog>=2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgret.photo import Detection, Tag
from imgret.stages.interface import PIXELS, Item, Meant, Result, Stage, StageModel, StageSettings
from imgret.stages.passage import counts, numeral

if TYPE_CHECKING:
    from imgret.models.model_protocols import Detector
    from imgret.places import Places
    from imgret.weights.sources import Weights


class DetectSettings(StageSettings, frozen=True):
    """`[detect]`: any ultralytics weights, `.pt` or `.onnx`."""

    weights: str = "yolov8m-oiv7.pt"
    confidence: float = 0.25  # the default of ultralytics, hence the baseline recipe's
    dtype: str = "auto"  # of `.pt` weights; an `.onnx` file has its own


class DetectModel(StageModel):
    """A detector as the model of a stage."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.identity = detector.identity

    def run(self, items: Sequence[Item]) -> list[Result]:
        """The boxes of each photo, in the order in which the model gives them."""
        images = [item.pixels for item in items if item.pixels is not None]
        return [Result(found) for found in self.detector.detect(images)]

    def close(self) -> None:
        """Release the memory."""
        self.detector.close()


class Detect(Stage):
    """The stage. Its payload is the boxes."""

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
        """As any weights, and a local one is a file."""
        from imgret.weights import sources

        return sources.locate(
            self.name, settings.weights, settings.revision, places, suffixes=(".pt", ".onnx")
        )

    def shape(self, settings: DetectSettings) -> str:
        """The least confidence, and the dtype where it is given."""
        dtype = "" if settings.dtype == "auto" else f" dtype={settings.dtype}"
        return f"confidence={settings.confidence:g}{dtype}"

    def load(self, settings: DetectSettings, places: Places, device: str) -> DetectModel:
        """The network in a `.pt` or an `.onnx` file."""
        from imgret.models import torch_device

        path, identity = self.checked(settings, places)
        device = torch_device.ready(places, device)
        from imgret.models.yolo import YoloDetector

        return DetectModel(
            YoloDetector(path, identity, device, confidence=settings.confidence, dtype=settings.dtype)
        )

    def tags(self, payload: tuple[Detection, ...]) -> list[Tag]:
        """Each label with its count."""
        return [Tag("object", label, count) for label, count in counts(payload).items()]

    def json(self, payload: tuple[Detection, ...] | None) -> dict[str, Any]:
        """`objects`: label -> how many, in the order in which they were found."""
        return {"objects": counts(payload or ())}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The counts, most first."""
        most_first = sorted(shown["objects"].items(), key=lambda label_count: -label_count[1])
        text = ", ".join(f"{count} {label}" for label, count in most_first)
        return [("objects", text)] if text else []

    def why(self, shown: Mapping[str, Any], word: str, meant: Meant) -> list[str]:
        """`two dog` for a word that means the label."""
        objects: dict[str, int] = shown["objects"]
        return [f"{numeral(objects[label])} {label}" for label in meant(word, objects)]


STAGE = Detect()
