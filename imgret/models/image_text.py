"""Embed images and texts in one space with CLIP, SigLIP or SigLIP 2 from transformers.

The towers are loaded separately, each when it is first used: describing photos needs the image tower, a search needs
the text tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from imgret.models import torch_device
from imgret.models.image_text_tokens import TextTokenizer
from imgret.models.image_text_weights import Checkpoint
from imgret.models.model_protocols import Pixels, Vectors
from imgret.models.torch_linear import is_bfloat16_fast
from imgret.photo import ModelIdentity

_TEXTS = 32  # in a batch


class ImageTextEncoder:
    """An `ImageTextModel`: an image-text encoder in the layout of the hub."""

    def __init__(self, path: str, identity: ModelIdentity, device: str, *, dtype: str = "auto") -> None:
        """Read the settings in the folder `path`; no weights yet. Raises WeightsError."""
        self._identity = identity
        self._device = device
        if dtype == "auto" and device == "cpu" and is_bfloat16_fast():
            # 3.3 times as fast with AMX; the cosine with vectors in float32 is above 0.9999
            dtype = "bfloat16"
        self._dtype = torch_device.dtype(dtype, device)
        self._path = path
        with torch_device.loading(path):
            self._checkpoint = Checkpoint(path)
            self._dimension = self._checkpoint.dimension

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and dtype."""
        return self._identity

    @property
    def dimension(self) -> int:
        """The length of a vector: 768 for the base size of SigLIP 2."""
        return self._dimension

    def load_images(self) -> None:
        """Load the image tower now. Raises WeightsError."""
        with torch_device.loading(self._path):
            _ = self._image_tower

    def load_texts(self) -> None:
        """Load the text tower now. Raises WeightsError."""
        with torch_device.loading(self._path):
            _ = self._text_tower

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """Embed images (height, width, 3). Return float32 (images, dimension), unit norm, in order."""
        if not images:
            return np.zeros((0, self._dimension), np.float32)
        model, inputs = self._image_tower
        return self._unit(model.get_image_features(**inputs(images, self._device, self._dtype)))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, truncated to the length that the model was trained with. Return as `embed_images`."""
        model, tokenizer = self._text_tower
        rows = [np.zeros((0, self._dimension), np.float32)]
        for start in range(0, len(texts), _TEXTS):
            ids, mask = tokenizer(texts[start : start + _TEXTS])
            arguments = {"input_ids": torch.from_numpy(ids).to(self._device)}
            if mask is not None:
                arguments["attention_mask"] = torch.from_numpy(mask).to(self._device)
            rows.append(self._unit(model.get_text_features(**arguments)))
        torch_device.release_openmp_threads()  # another thread may be describing photos meanwhile
        return np.concatenate(rows)

    def close(self) -> None:
        """Release the memory."""
        if "_image_tower" in self.__dict__:
            self._image_tower[1].close()
        for tower in ("_image_tower", "_text_tower"):
            self.__dict__.pop(tower, None)
        torch_device.release_memory(self._device)

    @cached_property
    def _image_tower(self) -> tuple[Any, Any]:
        from imgret.models.image_text_pixels import ImageInputs

        return self._checkpoint.load("image", self._device, self._dtype), ImageInputs(self._path)

    @cached_property
    def _text_tower(self) -> tuple[Any, TextTokenizer]:
        checkpoint = self._checkpoint
        tokenizer = TextTokenizer(self._path, checkpoint.model_type, checkpoint.text_length)
        return checkpoint.load("text", self._device, self._dtype), tokenizer

    def _unit(self, output: Any) -> Vectors:
        """Return the pooled features as float32 of unit norm. They are an output since transformers 5, before a tensor."""
        features = output if isinstance(output, torch.Tensor) else output.pooler_output
        unit = torch.nn.functional.normalize(features.float(), dim=-1)
        return unit.cpu().numpy()
