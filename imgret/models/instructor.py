"""Embed texts with INSTRUCTOR, through the public interface of sentence-transformers.

A vector is the mean over the tokens of the text; the tokens of the instruction before it are attended to, but are not in
the mean. `encode(text, prompt=instruction)` returns the same after `set_pooling_include_prompt(False)`, but with one
instruction per call. Here each text has its own instruction. So the modules of the model are called one by one, and
the instructions are masked before the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imgret.models import torch_device
from imgret.models.model_protocols import Vectors
from imgret.models.torch_linear import pack
from imgret.photo import ModelIdentity

with torch_device.silence():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.util import batch_to_device

_LONGEST = 512  # tokens, including the instruction
_ON_CPU, _ON_GPU = 8, 256  # texts in a batch: padding is expensive on a CPU, kernel launches on a GPU


class InstructorEmbedder:
    """An `Embedder`: any INSTRUCTOR model in the layout of the hub."""

    def __init__(self, path: str, identity: ModelIdentity, device: str, *, dtype: str = "auto") -> None:
        """Load the folder at `path`. Raises WeightsError."""
        self._identity = identity
        self._device = device
        self._batch_size = _ON_CPU if device == "cpu" else _ON_GPU
        with torch_device.loading(path):
            self._model = SentenceTransformer(
                path,
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": torch_device.dtype(dtype, device)},
            ).eval()
            self._model.max_seq_length = _LONGEST
            self._encoder, _, *further = self._model
            pooling = Pooling(self._encoder.get_embedding_dimension(), "mean")
            # The mean and the modules after it use float32, whatever the encoder's dtype.
            self._further = [pooling, *(module.float() for module in further)]
            if device == "cpu":
                pack(self._model)
            self._dimension: int = self.embed([("", "a photo")]).shape[1]

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and dtype."""
        return self._identity

    @property
    def dimension(self) -> int:
        """The length of a vector: 768 for the published models."""
        return self._dimension

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed (instruction, text) pairs. Return float32 (len(pairs), dimension), unit norm, in order."""
        if not pairs:
            return np.zeros((0, self._dimension), dtype=np.float32)
        # Texts of similar length share a batch, because each is padded to the longest one in it.
        order = sorted(range(len(pairs)), key=lambda row: -len(pairs[row][1]))
        batches = [
            order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)
        ]
        vectors = torch.cat([self._embed([pairs[row] for row in batch]) for batch in batches]).cpu()
        found = np.empty(vectors.shape, dtype=np.float32)
        found[order] = vectors.numpy()
        torch_device.release_openmp_threads()  # another thread may be describing photos meanwhile
        return found

    def embed_queries(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed queries: as documents are embedded, but with the topics of the query in the instruction."""
        return self.embed(pairs)

    def close(self) -> None:
        """Release the memory."""
        del self._model, self._encoder, self._further
        torch_device.release_memory(self._device)

    @torch.inference_mode()
    def _embed(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """Embed one batch. Return float32 (pairs, dimension), unit norm, on the device."""
        tokens = self._model.preprocess([(instruction + text.strip()).strip() for instruction, text in pairs])
        tokens["instruction_tokens"] = self._instruction_tokens([instruction for instruction, _ in pairs])
        features: dict[str, Any] = batch_to_device(tokens, self._model.device)
        ends = features.pop("instruction_tokens")
        features = self._encoder(features)
        features["token_embeddings"] = features["token_embeddings"].float()
        mask = features["attention_mask"]
        positions = torch.arange(mask.shape[1], device=mask.device)
        features["attention_mask"] = mask.masked_fill(positions < ends[:, None], 0)
        for module in self._further:
            features = module(features)
        # Some checkpoints have no Normalize module.
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=1)

    def _instruction_tokens(self, instructions: Sequence[str]) -> Tensor:
        """Return the number of tokens of each instruction without its end token, (instructions,)."""
        distinct = list(dict.fromkeys(instructions))
        counts = self._model.preprocess([each.strip() for each in distinct])["attention_mask"].sum(dim=1) - 1
        rows = {instruction: row for row, instruction in enumerate(distinct)}
        found: Tensor = counts[[rows[instruction] for instruction in instructions]]
        return found
