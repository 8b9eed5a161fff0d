"""Detect objects with any YOLO that ultralytics runs, from `.pt`. `yolo_onnx` runs `.onnx` files.

Call `imgret.models.torch_device.prepare` before importing this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgret.models import torch_device, yolo_network
from imgret.models.model_protocols import Pixels
from imgret.models.yolo_pickle import forbid_code
from imgret.photo import Detection, ModelIdentity


class YoloDetector:
    """A `Detector`. Only images with the same letterboxed shape share a batch, so results do not depend on it."""

    def __init__(
        self,
        path: str,
        identity: ModelIdentity,
        device: str,
        *,
        confidence: float = 0.25,
        dtype: str = "auto",
    ) -> None:
        """Load the file at `path`. Raises WeightsError."""
        self._identity = identity
        self._device = device
        # Counts depend on a threshold. Of 112 real photos, float16 kept the counts of 111, bfloat16 of 99.
        computed = torch_device.dtype(dtype, device, gpu="float16")
        with torch_device.loading(path):
            forbid_code()
            self._yolo = yolo_network.load(path, confidence, device, computed)
        self._labels = {number: label.lower() for number, label in self._yolo.names().items()}

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and the minimum confidence."""
        return self._identity

    def detect(self, images: Sequence[Pixels]) -> list[tuple[Detection, ...]]:
        """Return the objects of each image (height, width, 3), in the model's order; boxes are fractions of the image."""
        found: list[tuple[Detection, ...]] = [()] * len(images)
        for rows in self._yolo.batches(images):
            for row, boxes in zip(rows, self._yolo.boxes([images[row] for row in rows]), strict=True):
                found[row] = tuple(self._detections(boxes))
        return found

    def close(self) -> None:
        """Release the memory."""
        del self._yolo
        torch_device.release_memory(self._device)

    def _detections(self, boxes: Any) -> list[Detection]:
        return [
            Detection(
                label=self._labels[int(number)],
                confidence=float(confidence),
                box=(float(left), float(top), float(right), float(bottom)),
            )
            for number, confidence, (left, top, right, bottom) in zip(
                boxes.cls.tolist(), boxes.conf.tolist(), boxes.xyxyn.tolist(), strict=True
            )
        ]
