"""Vectors by INSTRUCTOR, through InstructorEmbedding's own class.

That package cannot load weights on a sentence-transformers above 2.2.2, so they are loaded by
sentence-transformers itself and given to the package's class, whose tokenizing, masking and pooling are
the reference: the mean is taken over the text's tokens alone, while the instruction is only attended to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from imgret.models import torch_device
from imgret.models.interface import Vectors
from imgret.models.torch_linear import pack
from imgret.photo import ModelIdentity

with torch_device.silence():
    from InstructorEmbedding.instructor import INSTRUCTOR, INSTRUCTOR_Pooling, INSTRUCTOR_Transformer
    from sentence_transformers import SentenceTransformer

_LONGEST = 512  # tokens, the instruction among them
_ON_CPU, _ON_GPU = 8, 256  # texts in a batch: padding costs the one, launches the other


class _Encoder(INSTRUCTOR_Transformer):  # type: ignore[misc]
    """The package's transformer module around weights that sentence-transformers loaded."""

    def __init__(self, native: Any) -> None:
        torch.nn.Module.__init__(self)  # its own __init__ loads weights, in the way that no longer works
        self.model_ = native.auto_model
        self.tokenizer_ = native.tokenizer
        self.max_seq_length = _LONGEST
        self.do_lower_case = False

    @property
    def auto_model(self) -> Any:
        return self.model_

    @property
    def tokenizer(self) -> Any:
        return self.tokenizer_


class Instructor(INSTRUCTOR):  # type: ignore[misc]
    """The package's model, with what its base class has renamed since."""

    def __init__(self, path: str, device: str, dtype: torch.dtype) -> None:
        native = SentenceTransformer(
            path,
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": dtype},
        )
        modules = list(native)
        pooling = INSTRUCTOR_Pooling(native[0].get_embedding_dimension(), pooling_mode="mean")
        super().__init__(modules=[_Encoder(modules[0]), pooling, *modules[2:]], device=device)
        for module in modules[2:]:
            module.float()  # pooling gives float32, whatever the encoder's dtype

    _text_length = staticmethod(len)  # by which `encode` puts texts of one length together

    def tokenize(self, texts: list[list[str]]) -> Any:
        """Pairs of instruction and text, as the encoder wants them."""
        return self[0].tokenize(texts)

    @property
    def _target_device(self) -> Any:
        return next(self.parameters()).device


class InstructorEmbedder:
    """An `Embedder`: any INSTRUCTOR model in the layout of the hub."""

    def __init__(self, path: str, identity: ModelIdentity, device: str, *, dtype: str = "auto") -> None:
        """Load the folder at `path`. Raises WeightsError."""
        self._identity = identity
        self._device = device
        self._together = _ON_CPU if device == "cpu" else _ON_GPU
        with torch_device.loading(path):
            self._model = Instructor(path, device, torch_device.dtype(dtype, device))
            if device == "cpu":
                pack(self._model)
            self._dimension: int = self.embed([("", "a photo")]).shape[1]

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and dtype."""
        return self._identity

    @property
    def dimension(self) -> int:
        """768 for the real ones."""
        return self._dimension

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """(instruction, text) pairs -> float32 (len(pairs), dimension), unit norm, in order."""
        if not pairs:
            return np.zeros((0, self._dimension), dtype=np.float32)
        rows = [[instruction, text] for instruction, text in pairs]
        vectors = self._model.encode(rows, batch_size=self._together, convert_to_tensor=True)
        # In bfloat16 the model's own norms drift by a thousandth.
        found: Vectors = torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
        torch_device.rest()  # this may have been a question, beside a thread that describes
        return found

    def close(self) -> None:
        """Give back the memory."""
        del self._model
        torch_device.give_back(self._device)
