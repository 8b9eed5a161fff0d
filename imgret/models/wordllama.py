"""Embed texts without torch: wordllama, a small embedder whose weights are part of its package.

It replaces the configured embedder if its weights are missing, and can be chosen in the settings. A vector is the mean
of the vectors of a text's tokens (256 dimensions). Instructions are ignored.

Only the files of the package are used: its code imports requests and pydantic for downloads, which would add half a
second to every `imgret query`. A test compares the vectors with those of the package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from imgret.errors import WeightsError
from imgret.models.model_protocols import Vectors
from imgret.photo import ModelIdentity

TOKENIZER = os.path.join(
    "tokenizers", "l2_supercat_tokenizer_config.json"
)  # beside the folder of the weights
BATCH = 256  # texts: limits the memory for the vectors of all their tokens


class WordLlamaEmbedder:
    """An `Embedder` of 256 dimensions.

    The empty text has no tokens and so no mean. It gets a fixed unit vector that is close to no real text: a vector of
    zeros or NaN would disturb the nearest-neighbour search.
    """

    dimension = 256

    def __init__(self, path: str, identity: ModelIdentity) -> None:
        """Load the weights at `path`, a file inside the package. Raises WeightsError."""
        from safetensors import SafetensorError, safe_open

        # Its own threads gain nothing here, and after one failed start they would never work again.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        from tokenizers import Tokenizer

        self._identity = identity
        tokenizer = os.path.join(os.path.dirname(os.path.dirname(path)), TOKENIZER)
        try:
            with open(tokenizer, encoding="utf-8") as file:
                self._tokenizer = Tokenizer.from_str(file.read())
            with safe_open(path, framework="numpy") as tensors:
                self._table = tensors.get_tensor("embedding.weight")  # (tokens, 256), float16
        except (OSError, ValueError, SafetensorError) as error:
            raise WeightsError(
                f"{path} cannot be loaded: {error}",
                "Install it again: `pip install --force-reinstall wordllama`.",
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._empty = np.zeros(self.dimension, dtype=np.float32)  # the vector of the empty text
        self._empty[0] = 1.0

    @property
    def identity(self) -> ModelIdentity:
        """The name `wordllama` and the hash of its weights."""
        return self._identity

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed (instruction, text) pairs. Return float32 (len(pairs), 256), unit norm, in order."""
        vectors = np.empty((len(pairs), self.dimension), dtype=np.float32)
        for start in range(0, len(pairs), BATCH):
            texts = [text for _, text in pairs[start : start + BATCH]]
            for row, found in enumerate(self._tokenizer.encode_batch(texts, add_special_tokens=False), start):
                mean = self._table[found.ids].astype(np.float32).sum(axis=0)  # normalised below
                norm = float(np.linalg.norm(mean))
                vectors[row] = mean / norm if norm > 0 else self._empty
        return vectors

    def close(self) -> None:
        """Release the memory."""
        del self._table, self._tokenizer
