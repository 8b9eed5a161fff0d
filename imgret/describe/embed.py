"""Vectors without torch: wordllama, the small embedder whose weights come with its package.

It stands in where the weights of the real embedder are missing, and can be chosen in the settings. It
averages the vectors of a text's tokens (256 dimensions); it knows no instructions and ignores them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imgret.describe import backend
from imgret.describe.models import Vectors
from imgret.errors import WeightsError
from imgret.photo import ModelIdentity


class WordLlamaEmbedder:
    """An `Embedder` of 256 dimensions.

    A text without any token, the empty one, has no mean: it is given one fixed direction that lies near to
    nothing, since a vector of zeros or NaN would hide true neighbours in an index.
    """

    dimension = 256

    def __init__(self, path: str, identity: ModelIdentity) -> None:
        """Load the weights at `path`, a file inside the package. Raises WeightsError."""
        self._identity = identity
        with backend.silence():
            from wordllama import WordLlama

        try:
            self._model = WordLlama.load(
                cache_dir=Path(os.path.dirname(os.path.dirname(path))),
                dim=self.dimension,
                disable_download=True,
            )
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{path} cannot be loaded: {error}",
                "Install it again: `pip install --force-reinstall wordllama`.",
            ) from error
        self._nowhere = np.zeros(self.dimension, dtype=np.float32)
        self._nowhere[0] = 1.0

    @property
    def identity(self) -> ModelIdentity:
        """The name `wordllama` and the hash of its weights."""
        return self._identity

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """(instruction, text) pairs -> float32 (len(pairs), 256), unit norm, in order."""
        if not pairs:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors: Vectors = self._model.embed([text for _, text in pairs])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        known = np.isfinite(norms) & (norms > 0)
        unit: Vectors = np.where(known, vectors / np.where(known, norms, 1), self._nowhere)
        return unit.astype(np.float32, copy=False)

    def close(self) -> None:
        """Give back the memory."""
        del self._model
