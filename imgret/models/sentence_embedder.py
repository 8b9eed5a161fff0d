"""Embed texts with any model of sentence-transformers, with its own prompts for queries and documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from imgret.models import torch_device
from imgret.models.model_protocols import Vectors
from imgret.photo import ModelIdentity

with torch_device.silence():
    from sentence_transformers import SentenceTransformer

_ON_CPU, _ON_GPU = 8, 128  # texts in a batch: padding is expensive on a CPU, kernel launches on a GPU


class SentenceEmbedder:
    """An `Embedder` that ignores instructions."""

    def __init__(
        self,
        path: str,
        identity: ModelIdentity,
        device: str,
        *,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        dtype: str = "auto",
    ) -> None:
        """Load the folder at `path`. The prompts replace those of the model. Raises WeightsError."""
        self._identity = identity
        self._device = device
        self._prompts = {"query": query_prompt, "document": document_prompt}
        with torch_device.loading(path):
            self._model = SentenceTransformer(
                path,
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": torch_device.dtype(dtype, device)},
            ).eval()
            self._dimension: int = self.embed([("", "a photo")]).shape[1]

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision, dtype and prompts."""
        return self._identity

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._dimension

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed documents as `Embedder.embed` does; the instructions are ignored."""
        return self._encoded(self._model.encode_document, "document", pairs)

    def embed_queries(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed queries."""
        return self._encoded(self._model.encode_query, "query", pairs)

    def close(self) -> None:
        """Release the memory."""
        del self._model
        torch_device.release_memory(self._device)

    def _encoded(self, encode: Callable[..., Any], kind: str, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Return float32 (len(pairs), dimension), unit norm, in order."""
        if not pairs:
            return np.zeros((0, self._dimension), dtype=np.float32)
        rows = encode(
            [text for _, text in pairs],
            prompt=self._prompts[kind],  # None: the model's own
            batch_size=_ON_CPU if self._device == "cpu" else _ON_GPU,
            show_progress_bar=False,
        )
        torch_device.release_openmp_threads()  # another thread may be describing photos meanwhile
        found = np.asarray(rows, dtype=np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        unit: Vectors = found / np.maximum(norms, np.float32(1e-12))
        return unit
