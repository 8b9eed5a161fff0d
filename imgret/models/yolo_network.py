"""Run YOLO networks of ultralytics faster than `YOLO.predict`, with the same results.

`FastYolo` prepares several images at once, in the memory layout and precision that suit the device. It uses undocumented
parts of ultralytics. So it is used only after it prepared an image exactly as ultralytics does, and returned finite boxes
in that layout and precision. Otherwise `PlainYolo` uses the documented interface, with one image at a time.

Call `imgret.models.torch_device.prepare` before importing this module.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.data.augment import LetterBox
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.nn.modules.head import Detect

from imgret.limits import is_out_of_memory
from imgret.models import torch_device
from imgret.models.model_protocols import Pixels

_log = logging.getLogger(__name__)

_MOST_THREADS = 8  # that letterbox images
_TOLERANCE = 2e-3  # of numbers from 0 to 1, which float16 rounds by half of a thousandth
_CHANGED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class Yolo(Protocol):
    """A network that detects objects."""

    def names(self) -> dict[int, str]:
        """Return the label of each class number."""
        ...

    def batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Return groups of row numbers that may share a batch without affecting each other's results."""
        ...

    def boxes(self, images: Sequence[Pixels]) -> list[Any]:
        """Return ultralytics' `Boxes` of each image in one batch."""
        ...


def load(path: str, confidence: float, device: str, dtype: torch.dtype) -> Yolo:
    """Load the network in the file `path`, with the fastest implementation that the installed ultralytics supports.

    Raises ultralytics' errors if the file does not contain a network.
    """
    problem: Exception | None = None
    found: Yolo | None = None
    for precision in dict.fromkeys((dtype, torch.float32)):
        try:
            found = FastYolo(path, confidence, device, precision)
            break
        except _CHANGED as error:
            if is_out_of_memory(error):
                raise
            problem = error
    found = found or PlainYolo(path, confidence, device)
    if problem:  # caused by the version of ultralytics, not by the file, which could be loaded
        _log.warning("detection is slower with this version of ultralytics: %s", problem)
    return found


class PlainYolo:
    """A network through ultralytics' documented interface: one image at a time, in float32."""

    def __init__(self, path: str, confidence: float, device: str) -> None:
        self._model = YOLO(path, task="detect")
        self._options = {"conf": confidence, "device": device, "save": False, "verbose": False}
        self.boxes([_sample()])  # the first prediction builds the network
        torch_device.threads()  # ultralytics has reduced the number of threads for all models

    def names(self) -> dict[int, str]:
        """Return the label of each class number."""
        return dict(self._model.names)

    def batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Return one group per image: other images in a batch would change its padding."""
        return [[row] for row in range(len(images))]

    def boxes(self, images: Sequence[Pixels]) -> list[Any]:
        """Return ultralytics' `Boxes` of each image."""
        with torch_device.silence():
            return [self._model.predict(_bgr(image), **self._options)[0].boxes for image in images]


class FastYolo:
    """A network with imgret's own predictor. Images that are letterboxed to the same shape share a batch."""

    def __init__(self, path: str, confidence: float, device: str, dtype: torch.dtype) -> None:
        """Load the network. Raises one of `_CHANGED` if this version of ultralytics does not work as expected."""
        self._model = YOLO(path, task="detect")
        self._options = {"conf": confidence, "device": device, "save": False, "verbose": False}
        self._single = device == "cpu"
        self.boxes([_sample()])
        torch_device.threads()
        predictor = self._model.predictor
        if not predictor.agrees:
            raise ValueError("it prepares images differently")
        self._arrange(dtype)
        if not all(boxes.data.isfinite().all() for boxes in self.boxes([_sample()])):
            raise ValueError(f"its boxes are not finite in {dtype}")

    def names(self) -> dict[int, str]:
        """Return the label of each class number."""
        return dict(self._model.names)

    def batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Return groups of row numbers that may share a batch.

        On a CPU that is one image: its data fit in the caches, which saves a tenth of the time.
        """
        network = self._model.predictor.model
        if self._single:
            return [[row] for row in range(len(images))]
        groups: dict[tuple[int, int], list[int]] = {}
        for row, image in enumerate(images):
            shape = letterboxed(image.shape[:2], self._model.predictor.imgsz, int(network.stride))
            groups.setdefault(shape, []).append(row)
        return list(groups.values())

    def boxes(self, images: Sequence[Pixels]) -> list[Any]:
        """Return ultralytics' `Boxes` of each image."""
        with torch_device.silence():
            results = self._model.predict(list(images), predictor=_Predictor, **self._options)
        return [result.boxes for result in results]

    def _arrange(self, dtype: torch.dtype) -> None:
        """Use the memory layout that is fastest for convolutions, and the precision `dtype`."""
        predictor = self._model.predictor
        # On a CPU this layout saves a tenth to a fifth of the time.
        predictor.model.to(memory_format=torch.channels_last)
        if dtype is not torch.float32 and _halve(predictor.model.backend.model, dtype):
            predictor.dtype = dtype


class _Predictor(DetectionPredictor):  # type: ignore[misc]
    """A predictor for RGB images, as imgret has them; ultralytics expects BGR arrays, like OpenCV.

    Each image is letterboxed separately, because otherwise its padding would depend on the other images in the batch.
    Several are letterboxed in parallel: OpenCV releases the interpreter lock.
    """

    dtype = torch.float32  # of the network
    # whether the first image was prepared as by ultralytics; None before the first
    agrees: bool | None = None
    # Its threads start at the first use.
    threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="letterbox")

    def preprocess(self, im: list[Any]) -> torch.Tensor:
        """Return the network's input (images, 3, rows, columns), from 0 to 1, for images (height, width, 3)."""
        ready = self._ready(im)
        if self.agrees is None:
            theirs: torch.Tensor = super().preprocess([_bgr(image) for image in im])
            self.agrees = ready.shape == theirs.shape and torch.allclose(
                ready.float(), theirs.float(), atol=_TOLERANCE, rtol=0
            )
            rows = letterboxed(im[0].shape[:2], self.imgsz, int(self.model.stride))
            self.agrees &= rows == tuple(theirs.shape[2:])
            return theirs
        return ready

    def _ready(self, images: list[Any]) -> torch.Tensor:
        box = LetterBox(self.imgsz, auto=True, stride=self.model.stride)
        boxed = list(self.threads.map(lambda image: box(image=image), images))
        small = torch.from_numpy(np.stack(boxed)).to(self.device).permute(0, 3, 1, 2)
        return small.float().div_(255).to(self.dtype, memory_format=torch.channels_last)


def letterboxed(shape: tuple[int, int], side: tuple[int, int] | list[int], stride: int) -> tuple[int, int]:
    """Return (height, width) of an image after it was scaled to fit `side` and padded to a multiple of `stride`.

    The formula of ultralytics' LetterBox(auto=True).
    """
    ratio = min(side[0] / shape[0], side[1] / shape[1])
    height, width = round(shape[0] * ratio), round(shape[1] * ratio)
    return height + (side[0] - height) % stride, width + (side[1] - width) % stride


class _Float32(torch.nn.Module):
    """Convert the input to float32."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.float()


def _halve(network: Any, dtype: torch.dtype) -> bool:
    """Convert a network to `dtype`, except the computation of boxes. Return False if it is not built like YOLO.

    Coordinates are up to 640 pixels, and the eight bits of bfloat16 would round them to multiples of 2 or 4.
    """
    head = network.model[-1]
    if not isinstance(head, Detect):
        return False
    network.to(dtype)
    head.dfl.float()
    for name in ("cv2", "cv3", "one2one_cv2", "one2one_cv3"):
        for branch in getattr(head, name, None) or ():
            branch.append(_Float32())
    return True


def _bgr(image: Pixels) -> Pixels:
    """Return the image in BGR order."""
    return np.ascontiguousarray(image[..., ::-1])


def _sample() -> Pixels:
    """Return an image of noise that must be scaled and padded. It is small, so a network needs little time for it."""
    return np.random.default_rng(1).integers(0, 256, (90, 400, 3), dtype=np.uint8)
