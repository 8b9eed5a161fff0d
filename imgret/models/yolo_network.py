"""ultralytics behind one module: a YOLO network that is faster than `YOLO.predict` and finds the same.

`FastYolo` prepares several images at once, in the memory layout and the precision that suit the device. For that
it needs parts of ultralytics that are not documented. So it is used only after it prepared an image exactly as
ultralytics does, and found something in the layout and precision; otherwise `PlainYolo` asks the documented
interface for one image at a time.

The libraries must have been told first where to write and what not to do: `imgret.models.torch_device.prepare`.
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

from imgret.models import torch_device
from imgret.models.batching import is_out_of_memory
from imgret.models.interface import Pixels

_log = logging.getLogger(__name__)

_MOST_THREADS = 8  # that letterbox
_TOLERANCE = 2e-3  # of numbers from 0 to 1, which float16 rounds by half of a thousandth
_CHANGED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class Yolo(Protocol):
    """A network that finds objects."""

    def names(self) -> dict[int, str]:
        """Class number -> label."""
        ...

    def batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Row numbers of the images that may share a batch; no image changes what is found in another."""
        ...

    def boxes(self, images: Sequence[Pixels]) -> list[Any]:
        """One batch -> ultralytics' `Boxes` of each image."""
        ...


def load(path: str, confidence: float, device: str, dtype: torch.dtype) -> Yolo:
    """The network in the file `path`, by the fastest way that the installed ultralytics allows.

    `dtype` is what a `.pt` computes in. Raises what ultralytics raises over files that hold no network.
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
    if problem:  # about this version and not about the file, which was loaded after all
        _log.warning("this version of ultralytics finds objects more slowly: %s", problem)
    return found


class PlainYolo:
    """By the documented interface of ultralytics alone: one image at a time, in float32."""

    def __init__(self, path: str, confidence: float, device: str) -> None:
        self._model = YOLO(path, task="detect")
        self._asked = {"conf": confidence, "device": device, "save": False, "verbose": False}
        self.boxes([_sample()])  # the first prediction builds the network
        torch_device.threads()  # ultralytics has set them to one less than there are cores, for every model

    def names(self) -> dict[int, str]:
        """Class number -> label."""
        return dict(self._model.names)

    def batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Each image by itself: neighbours in a batch would change its padding."""
        return [[row] for row in range(len(images))]

    def boxes(self, images: Sequence[Pixels]) -> list[Any]:
        """Ultralytics' `Boxes` of each image."""
        with torch_device.silence():
            return [self._model.predict(_blue_first(image), **self._asked)[0].boxes for image in images]


class FastYolo:
    """By a predictor of our own; images that are letterboxed to one shape share a batch."""

    def __init__(self, path: str, confidence: float, device: str, dtype: torch.dtype) -> None:
        """Raises one of `_CHANGED` where this version of ultralytics is not built as expected."""
        self._model = YOLO(path, task="detect")
        self._asked = {"conf": confidence, "device": device, "save": False, "verbose": False}
        self._alone = device == "cpu"
        self.boxes([_sample()])
        torch_device.threads()
        predictor = self._model.predictor
        if not predictor.agrees:
            raise ValueError("it prepares images in another way")
        if not _static(predictor.model):
            self._arrange(dtype)
            if not all(boxes.data.isfinite().all() for boxes in self.boxes([_sample()])):
                raise ValueError(f"its boxes are not finite in {dtype}")

    def names(self) -> dict[int, str]:
        """Class number -> label."""
        return dict(self._model.names)

    def batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Row numbers of the images that may share a batch.

        A network that was exported for one image takes one at a time. So does a processor: what one image needs
        stays in its caches, and that is worth a tenth.
        """
        network = self._model.predictor.model
        if self._alone or _static(network):
            return [[row] for row in range(len(images))]
        groups: dict[tuple[int, int], list[int]] = {}
        for row, image in enumerate(images):
            shape = letterboxed(image.shape[:2], self._model.predictor.imgsz, int(network.stride))
            groups.setdefault(shape, []).append(row)
        return list(groups.values())

    def boxes(self, images: Sequence[Pixels]) -> list[Any]:
        """Ultralytics' `Boxes` of each image."""
        with torch_device.silence():
            results = self._model.predict(list(images), predictor=_Predictor, **self._asked)
        return [result.boxes for result in results]

    def _arrange(self, dtype: torch.dtype) -> None:
        """Lay the network out for its convolutions, and let them compute in `dtype`."""
        predictor = self._model.predictor
        # the layout that convolutions like best, on a processor by a tenth to a fifth
        predictor.model.to(memory_format=torch.channels_last)
        if dtype is not torch.float32 and _halve(predictor.model.backend.model, dtype):
            predictor.dtype = dtype


class _Predictor(DetectionPredictor):  # type: ignore[misc]
    """Takes images as imgret has them, red first, where ultralytics takes arrays for OpenCV's, blue first.

    Each is letterboxed by itself, so that its neighbours in the batch do not change its padding, and several
    at once: OpenCV lets go of the interpreter meanwhile.
    """

    dtype = torch.float32  # of the network
    agrees: bool | None = None  # whether the first image was prepared as ultralytics does; None before it
    threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="letterbox")  # started when used

    def preprocess(self, im: list[Any]) -> torch.Tensor:
        """Images (height, width, 3) -> the network's input (images, 3, rows, columns), from 0 to 1."""
        ready = self._ready(im)
        if self.agrees is None:
            theirs: torch.Tensor = super().preprocess([_blue_first(image) for image in im])
            self.agrees = ready.shape == theirs.shape and torch.allclose(
                ready.float(), theirs.float(), atol=_TOLERANCE, rtol=0
            )
            if not _static(self.model):
                rows = letterboxed(im[0].shape[:2], self.imgsz, int(self.model.stride))
                self.agrees &= rows == tuple(theirs.shape[2:])
            return theirs
        return ready

    def _ready(self, images: list[Any]) -> torch.Tensor:
        box = LetterBox(self.imgsz, auto=not _static(self.model), stride=self.model.stride)
        boxed = list(self.threads.map(lambda image: box(image=image), images))
        small = torch.from_numpy(np.stack(boxed)).to(self.device).permute(0, 3, 1, 2)
        if _static(self.model):
            dtype, layout = torch.float16 if self.model.fp16 else torch.float32, torch.contiguous_format
        else:
            dtype, layout = self.dtype, torch.channels_last
        return small.float().div_(255).to(dtype, memory_format=layout)


def letterboxed(shape: tuple[int, int], side: tuple[int, int] | list[int], stride: int) -> tuple[int, int]:
    """(height, width) of an image once scaled to fit `side` and padded to a multiple of `stride`.

    The formula of ultralytics' LetterBox(auto=True).
    """
    ratio = min(side[0] / shape[0], side[1] / shape[1])
    height, width = round(shape[0] * ratio), round(shape[1] * ratio)
    return height + (side[0] - height) % stride, width + (side[1] - width) % stride


class _Float32(torch.nn.Module):
    """What comes in, in float32."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.float()


def _halve(network: Any, dtype: torch.dtype) -> bool:
    """Turn a network to `dtype`, all but the arithmetic of the boxes; False: it is not built like YOLO and stays.

    A box is a place of up to 640 pixels, which bfloat16's eight bits would round to the next second or fourth.
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


def _static(network: Any) -> bool:
    """Whether a network takes one shape of batch only, as most ONNX files do."""
    return network.format != "pt" and not getattr(network, "dynamic", False)


def _blue_first(image: Pixels) -> Pixels:
    """The image as ultralytics takes arrays."""
    return np.ascontiguousarray(image[..., ::-1])


def _sample() -> Pixels:
    """Noise that has to be scaled and padded. It is flat, so that a network is done with it soon."""
    return np.random.default_rng(1).integers(0, 256, (90, 400, 3), dtype=np.uint8)
