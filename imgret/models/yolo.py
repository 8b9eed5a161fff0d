"""Objects: any YOLO that ultralytics runs, from `.pt` or `.onnx`.

The libraries must have been told first where to write and what not to do: `imgret.models.torch_device.prepare`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.data.augment import LetterBox
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.nn import tasks
from ultralytics.nn.modules.head import Detect

from imgret.errors import WeightsError
from imgret.models import torch_device
from imgret.models.interface import Pixels
from imgret.photo import Detection, ModelIdentity

_MOST_THREADS = 8  # that letterbox


class _Predictor(DetectionPredictor):  # type: ignore[misc]
    """Takes images as imgret has them, red first, where ultralytics takes arrays for OpenCV's, blue first.

    Each is letterboxed by itself, so that its neighbours in the batch do not change its padding, and several
    at once: OpenCV lets go of the interpreter meanwhile.
    """

    dtype = torch.float32  # of the network
    threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="letterbox")  # started when used

    def preprocess(self, im: list[Any]) -> torch.Tensor:
        small = torch.from_numpy(np.stack(self.pre_transform(im))).to(self.device).permute(0, 3, 1, 2)
        if _static(self.model):
            dtype, layout = torch.float16 if self.model.fp16 else torch.float32, torch.contiguous_format
        else:
            dtype, layout = self.dtype, torch.channels_last
        return small.float().div_(255).to(dtype, memory_format=layout)

    def pre_transform(self, im: list[Any]) -> list[Any]:
        box = LetterBox(self.imgsz, auto=not _static(self.model), stride=self.model.stride)
        return list(self.threads.map(lambda image: box(image=image), im))


class YoloDetector:
    """A `Detector`. Batches give what single images give: only images of one letterboxed shape share one."""

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
        if path.endswith(".onnx") and importlib.util.find_spec("onnxruntime") is None:
            raise WeightsError(
                f"{path} needs the package onnxruntime", "Install it: `pip install 'imgret[onnx]'`."
            )
        self._identity = identity
        self._confidence = confidence
        self._device = device
        _load_without_code()
        with torch_device.loading(path):
            self._model = YOLO(path, task="detect")
            # The first prediction builds the network, and is where foreign weights would fail.
            self._boxes([np.zeros((32, 32, 3), dtype=np.uint8)])
            torch_device.threads()  # ultralytics has set them to one less than there are cores, for every model
            if not _static(self._model.predictor.model):
                # counts hang on a threshold: float16's three more bits kept 111 of 112 real photos', bfloat16's 99
                self._arrange(torch_device.dtype(dtype, device, gpu="float16"))
        self._labels = {number: label.lower() for number, label in self._model.names.items()}

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and the least confidence."""
        return self._identity

    def detect(self, images: Sequence[Pixels]) -> list[tuple[Detection, ...]]:
        """Per image its objects, in the order of the model's boxes; boxes as fractions of the image."""
        found: list[tuple[Detection, ...]] = [()] * len(images)
        for rows in self._batches(images):
            for row, boxes in zip(rows, self._boxes([images[row] for row in rows]), strict=True):
                found[row] = tuple(self._detections(boxes))
        return found

    def close(self) -> None:
        """Give back the memory."""
        del self._model
        torch_device.give_back(self._device)

    def _arrange(self, dtype: torch.dtype) -> None:
        """Lay the network out for its convolutions, and let them compute in `dtype`."""
        predictor = self._model.predictor
        # the layout that convolutions like best, on a processor by a tenth to a fifth
        predictor.model.to(memory_format=torch.channels_last)
        if dtype is not torch.float32 and _halve(predictor.model.backend.model, dtype):
            predictor.dtype = dtype

    def _batches(self, images: Sequence[Pixels]) -> list[list[int]]:
        """Row numbers that may share a batch; a network exported for one image gets one at a time.

        So does a processor: what one image needs stays in its caches, and that is worth a tenth.
        """
        network = self._model.predictor.model
        if _static(network) or self._device == "cpu":
            return [[row] for row in range(len(images))]
        groups: dict[tuple[int, int], list[int]] = {}
        for row, image in enumerate(images):
            shape = letterboxed(image.shape[:2], self._model.predictor.imgsz, int(network.stride))
            groups.setdefault(shape, []).append(row)
        return list(groups.values())

    def _boxes(self, images: list[Pixels]) -> list[Any]:
        with torch_device.silence():
            results = self._model.predict(
                images,
                predictor=_Predictor,
                conf=self._confidence,
                device=self._device,
                save=False,
                verbose=False,
            )
        return [result.boxes for result in results]

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


def _load_without_code() -> None:
    """Have ultralytics read `.pt` files by its list of allowed classes alone.

    Its switch is read from the environment when it is first imported, by whatever program that was.
    """
    if not hasattr(tasks, "SAFE_LOAD"):
        raise WeightsError(
            "this version of ultralytics cannot read weights without running their code",
            "Install the version in constraints.txt.",
        )
    tasks.SAFE_LOAD = True


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
