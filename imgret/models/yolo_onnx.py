"""Detect objects with a YOLO network that ultralytics exported to ONNX, with neither ultralytics nor torch.

The image is letterboxed as ultralytics does it, and boxes are selected as `YOLO.predict` selects them: by confidence, then
by non-maximum suppression within a class. A test compares the results with those of ultralytics.

Call `imgret.models.torch_device.prepare` before importing onnxruntime: otherwise it sends telemetry.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.errors import WeightsError
from imgret.models.letterbox import Letterbox
from imgret.models.model_protocols import Pixels
from imgret.photo import Detection, ModelIdentity

IOU = 0.7  # from which on two boxes of one class are the same object; the default of ultralytics
MOST_BOXES = 300  # of an image
MOST_CANDIDATES = 30_000  # boxes that are compared
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

Floats = NDArray[np.float32]


class OnnxDetector:
    """A `Detector`. Images are detected one by one, so results do not depend on the batch."""

    def __init__(self, path: str, identity: ModelIdentity, device: str, *, confidence: float = 0.25) -> None:
        """Load the file at `path`. A GPU is used if the installed onnxruntime supports it. Raises WeightsError."""
        self._identity, self._confidence = identity, confidence
        try:
            import onnxruntime
        except ImportError as error:
            raise WeightsError(
                f"{path} needs the package onnxruntime", "Install it: `pip install 'imgret[onnx]'`."
            ) from error
        try:
            self._session = onnxruntime.InferenceSession(
                path, _options(onnxruntime), providers=_providers(onnxruntime, device)
            )
            (first, *others), output = self._session.get_inputs(), self._session.get_outputs()[0]
            facts = _facts(self._session.get_modelmeta().custom_metadata_map)
            self._input, self._output = first.name, output.name
            self._dtype: Any = np.float16 if "float16" in first.type else np.float32
            self._letterbox = _letterbox(first.shape, facts)
        except Exception as error:  # onnxruntime has its own classes, and a file can contain anything
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise WeightsError(f"{path} cannot be loaded: {reason}", _ADVICE) from error
        if others or facts.get("task", "detect") != "detect":
            raise WeightsError(f"{path} is not a network for detection", _ADVICE)
        names = facts.get("names")
        self._names: Mapping[int, str] = dict(names) if isinstance(names, dict) else {}
        self._selected = bool(facts.get("end2end") or dict(facts.get("args") or {}).get("nms"))
        try:
            self.detect([np.zeros((32, 64, 3), np.uint8)])
        except Exception as error:
            raise WeightsError(
                f"{path} is not a network that ultralytics exported for detection: {error}", _ADVICE
            ) from error

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and the minimum confidence."""
        return self._identity

    def detect(self, images: Sequence[Pixels]) -> list[tuple[Detection, ...]]:
        """Return the objects of each image (height, width, 3), the surest first; boxes are fractions of the image."""
        return [self._detect(image) for image in images]

    def close(self) -> None:
        """Release the memory."""
        del self._session

    def _detect(self, image: Pixels) -> tuple[Detection, ...]:
        boxed, placement = self._letterbox(image)
        values = boxed.transpose(2, 0, 1)[np.newaxis].astype(self._dtype) / self._dtype(255)
        rows = np.asarray(self._session.run([self._output], {self._input: values})[0], np.float32)
        if rows.ndim != 3 or len(rows) != 1:
            raise ValueError(f"its output has the shape {rows.shape}")
        ready = self._selected or rows.shape[2] == 6
        found = _confident(rows[0], self._confidence) if ready else chosen(rows[0], self._confidence)
        return tuple(
            Detection(label=self._label(int(number)), confidence=float(sure), box=box)
            for box, sure, number in zip(
                placement.fractions(found[:, :4]), found[:, 4], found[:, 5], strict=True
            )
        )

    def _label(self, number: int) -> str:
        return str(self._names.get(number, f"class{number}")).lower()


def chosen(rows: Floats, confidence: float) -> Floats:
    """Return (objects, 6): left, top, right, bottom in pixels, confidence and class, the surest first.

    `rows` is the output of the network, (4 + classes, boxes): centre, width, height, and a score for each class.
    """
    if len(rows) < 5:
        raise ValueError(f"its output has the shape {rows.shape}")
    rows = rows[:, rows[4:].max(axis=0) > confidence]
    classes, scores = rows[4:].argmax(axis=0), rows[4:].max(axis=0)
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    centre, half = rows[:2, order].T, rows[2:4, order].T / 2
    boxes: Floats = np.hstack([centre - half, centre + half])
    classes, scores = classes[order], scores[order]
    kept = suppressed(boxes, classes)
    return np.column_stack([boxes[kept], scores[kept], classes[kept]]).astype(np.float32)


def suppressed(
    boxes: Floats, classes: NDArray[np.intp], iou: float = IOU, most: int = MOST_BOXES
) -> list[int]:
    """Return the rows that remain after greedy non-maximum suppression within each class; the first rows win.

    `boxes` is (n, 4): left, top, right, bottom.
    """
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(boxes[best, :2], boxes[left, :2])
        shared = np.prod(sides.clip(0), axis=1)
        union = areas[best] + areas[left] - shared
        left = left[(classes[left] != classes[best]) | ~(shared > iou * union)]
    return kept


def _confident(rows: Floats, confidence: float) -> Floats:
    """Return the boxes of a network that has selected them itself: (boxes, 6), as `chosen` returns them."""
    if rows.shape[1] < 6:
        raise ValueError(f"its output has the shape {rows.shape}")
    return rows[rows[:, 4] > confidence, :6][:MOST_BOXES]


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata that ultralytics writes into a file. A value is a Python literal, or else a text."""
    facts: dict[str, Any] = {}
    for key, value in metadata.items():
        try:
            facts[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            facts[key] = value
    return facts


def _letterbox(shape: Sequence[int | str | None], facts: Mapping[str, Any]) -> Letterbox:
    """Return the letterbox for an input of this shape (1, 3, height, width); sizes that are not numbers are free."""
    batch, channels, *sides = shape
    if (channels not in (3, None) and not isinstance(channels, str)) or len(sides) != 2:
        raise ValueError(f"its input has the shape {list(shape)}, not that of an image")
    if isinstance(batch, int) and batch != 1:
        raise ValueError(f"it was exported for {batch} images at a time; export it with batch=1")
    fixed = [side for side in sides if isinstance(side, int)]
    if len(fixed) == 2:
        return Letterbox(fixed[0], fixed[1])
    height, width = facts.get("imgsz") or (640, 640)
    return Letterbox(int(height), int(width), stride=int(facts.get("stride") or 32))


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal errors alone: the others are raised
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        options.intra_op_num_threads = int(threads)
    return options


def _providers(onnxruntime: Any, device: str) -> list[Any]:
    if device == "cpu" or _CUDA not in onnxruntime.get_available_providers():
        return [_CPU]
    _, _, number = device.partition(":")
    return [(_CUDA, {"device_id": int(number) if number.isdecimal() else 0}), _CPU]


_ADVICE = "Run `imgret models verify`, or choose other weights."
