"""Load one tower of an image-text encoder: only its tensors are read, and of a vocabulary only the rows in use.

The vocabulary of SigLIP 2 has 256,000 tokens, which are 786 MB in float32, and a query has ten of them.
"""

from __future__ import annotations

import json
import os
import weakref
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.initialization import no_init_weights

from imgret.errors import WeightsError
from imgret.models.torch_linear import pack

TOWERS = {"image": ("vision_model.", "visual_projection."), "text": ("text_model.", "text_projection.")}
_VOCABULARY = "embeddings.token_embedding.weight"
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_LONGEST_HEADER = 100 << 20  # bytes; the limit of safetensors
_HINT = "Choose a CLIP, SigLIP or SigLIP 2 checkpoint with both towers, or download it again."


class _Place(NamedTuple):
    """Where a tensor is."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    offset: int  # bytes from the beginning of the file


class Checkpoint:
    """A folder with the weights of an image-text encoder. Its headers are read, no weights."""

    def __init__(self, path: str) -> None:
        """Raises WeightsError if it is no such encoder, or if one of its towers is missing."""
        self.path = path
        self.config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        self.model_type: str = self.config.model_type
        self._places = _places(path)
        if not hasattr(self.config, "text_config") or not hasattr(self.config, "vision_config"):
            raise WeightsError(
                f"{path} is a model of the type {self.model_type}, which does not compare images with texts",
                _HINT,
            )
        for tower, prefixes in TOWERS.items():
            if not any(name.startswith(prefixes) for name in self._places):
                raise WeightsError(f"{path} has no weights of the {tower} tower", _HINT)

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        for name in ("text_projection.weight", "text_model.head.weight"):
            if name in self._places:
                return self._places[name].shape[0]
        raise WeightsError(
            f"{self.path} has neither text_projection.weight nor text_model.head.weight", _HINT
        )

    @property
    def text_length(self) -> int:
        """The number of tokens that the text tower was trained with."""
        return int(self.config.text_config.max_position_embeddings)

    def load(self, tower: str, device: str, dtype: torch.dtype) -> Any:
        """Return a model with this tower, `image` or `text`, ready to use; its other tower is missing."""
        prefixes = TOWERS[tower]
        with no_init_weights():  # allocated, not written: the weights below replace it
            model = AutoModel.from_config(self.config, dtype=dtype)
        other = next(found for name, found in TOWERS.items() if name != tower)
        for prefix in other:
            if hasattr(model, prefix.rstrip(".")):
                setattr(model, prefix.rstrip("."), None)
        wanted = [name for name in model.state_dict() if name.startswith(prefixes)]
        missing = [name for name in wanted if name not in self._places]
        if missing:
            raise WeightsError(f"{self.path} has no {missing[0]}", _HINT)
        state = {}
        for name in wanted:
            if name.endswith(_VOCABULARY):
                rows = _Rows(self._places[name], dtype)
                model.get_submodule(name.rpartition(".")[0].rpartition(".")[0]).token_embedding = rows
            else:
                state[name] = self._places[name]
        tensors = _read(state, dtype)
        for name, tensor in tensors.items():
            shape, needed = tuple(tensor.shape), tuple(model.get_parameter(name).shape)
            if shape != needed:
                raise WeightsError(
                    f"{self.path} has {name} of shape {shape}, but its config.json needs {needed}", _HINT
                )
        model.load_state_dict(tensors, strict=False, assign=True)
        model.requires_grad_(requires_grad=False)
        model.eval().to(device)
        if device == "cpu":
            pack(model)
        return model


class _Rows(nn.Module):
    """An embedding whose rows are read from the file when a text needs them.

    A mapping of the file would need as little memory, but would end the process (SIGBUS) if the file were cut short.
    """

    def __init__(self, place: _Place, dtype: torch.dtype) -> None:
        super().__init__()
        self._fd = os.open(place.file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._fd)
        self._place = place
        self._dtype = dtype
        self._unchanged = self._state()

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of these ids, (..., dimension)."""
        if self._state() != self._unchanged:
            raise WeightsError(
                f"{self._place.file} was changed while it was in use", "Start the program again."
            )
        used, at = torch.unique(ids.cpu(), return_inverse=True)
        stored = _DTYPES[self._place.dtype]
        count, width = self._place.shape
        size = width * stored.itemsize
        raw = bytearray(len(used) * size)
        for row, number in enumerate(used.tolist()):
            if not 0 <= number < count:
                raise WeightsError(
                    f"{self._place.file} has no row {number} in its vocabulary of {count}", _HINT
                )
            raw[row * size : (row + 1) * size] = os.pread(self._fd, size, self._place.offset + number * size)
        rows = torch.frombuffer(raw, dtype=stored).view(len(used), width)
        return rows[at].to(ids.device, self._dtype)

    def _state(self) -> tuple[int, int]:
        state = os.fstat(self._fd)
        return state.st_size, state.st_mtime_ns


def _places(path: str) -> dict[str, _Place]:
    """Return where each tensor of a folder is. Raises WeightsError without safetensors."""
    index = os.path.join(path, "model.safetensors.index.json")
    if os.path.isfile(index):
        with open(index, encoding="utf-8") as file:
            names = sorted(set(json.load(file)["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    found: dict[str, _Place] = {}
    for name in names:
        file_path = os.path.join(path, os.path.basename(name))
        if not os.path.isfile(file_path):
            raise WeightsError(
                f"{path} has no {os.path.basename(name)}", "Choose weights in the format safetensors."
            )
        found |= _header(file_path)
    return found


def _header(path: str) -> dict[str, _Place]:
    """Read the header of a safetensors file: its length (8 bytes, little-endian), then JSON."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise WeightsError(f"{path} is not a file of the format safetensors", _HINT)
        header = json.loads(file.read(length))
    return {
        name: _Place(path, entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _read(places: dict[str, _Place], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return these tensors by name."""
    found = {}
    for file in sorted({place.file for place in places.values()}):
        with safe_open(file, framework="pt") as tensors:
            for name, place in places.items():
                if place.file == file:
                    found[name] = tensors.get_tensor(name).to(dtype)
    return found
