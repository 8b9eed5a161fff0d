"""The image embedding of rclip 4 (https://github.com/yurijmikhalevich/rclip), written after its source.

It opens a batch of files one after the other, resizes the short side to 256 pixels with Pillow, crops the centre, and
runs CLIP ViT-B/32-256, exported to ONNX, with onnxruntime. A batch has 8 images by default.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile
from torch import nn

BATCH = 8
_SIDE = 256  # pixels
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class RclipFlow:
    """Embeds image files."""

    def __init__(self, onnx: str, device: str) -> None:
        """Load the exported image tower."""
        import onnxruntime

        wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        options = onnxruntime.SessionOptions()
        if os.environ.get("OMP_NUM_THREADS", "").isdecimal():  # as many as torch uses on the other side
            options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        self._session = onnxruntime.InferenceSession(
            onnx, options, providers=[*wanted, "CPUExecutionProvider"]
        )

    def embed(self, paths: Sequence[bytes]) -> NDArray[np.float32]:
        """Return (paths, 512), unit norm."""
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        opened = [Image.open(path) for path in paths]
        pixels = np.stack([_pixels(image) for image in opened])
        (vectors,) = self._session.run(None, {"image": pixels})
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)  # type: ignore[no-any-return]


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    """Return float32 (3, 256, 256)."""
    image = image.convert("RGB")
    scale = _SIDE / min(image.size)
    width, height = (max(_SIDE, int(length * scale)) for length in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - _SIDE) / 2), round((height - _SIDE) / 2)
    samples = np.asarray(image.crop((left, top, left + _SIDE, top + _SIDE)), np.float32) / 255
    return ((samples - _MEAN) / _DEVIATION).transpose(2, 0, 1).astype(np.float32)


class _ImageTower(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the features of images (images, 3, 256, 256)."""
        return self.model.get_image_features(pixel_values=image).pooler_output  # type: ignore[no-any-return]


def export(checkpoint: str, out: str) -> None:
    """Write the image tower of a CLIP checkpoint to the ONNX file `out`. Needs the package onnx."""
    import warnings

    from transformers import CLIPModel

    tower = _ImageTower(CLIPModel.from_pretrained(checkpoint, local_files_only=True).eval())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower,
            (torch.zeros(2, 3, _SIDE, _SIDE),),
            out,
            input_names=["image"],
            output_names=["vector"],
            dynamic_axes={"image": {0: "batch"}, "vector": {0: "batch"}},
            dynamo=False,
        )
