"""Vectors without torch: wordllama, the small embedder whose weights come with its package.

It stands in where the weights of the real embedder are missing, and can be chosen in the settings. It
averages the vectors of a text's tokens (256 dimensions); it knows no instructions and ignores them.

Only the package's files are used: its code imports requests and pydantic for downloads, which costs every
`imgret query` half a second. A test holds the vectors to those of the package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from imgret.errors import WeightsError
from imgret.models.interface import Vectors
from imgret.photo import ModelIdentity

TOKENIZER = os.path.join(
    "tokenizers", "l2_supercat_tokenizer_config.json"
)  # beside the folder of the weights
BATCH = 256  # texts: bounds the memory for the vectors of all their tokens


class WordLlamaEmbedder:
    """An `Embedder` of 256 dimensions.

    A text without any token, the empty one, has no mean: it is given one fixed direction that lies near to
    nothing, since a vector of zeros or NaN would hide true neighbours in an index.
    """

    dimension = 256

    def __init__(self, path: str, identity: ModelIdentity) -> None:
        """Load the weights at `path`, a file inside the package. Raises WeightsError."""
        from safetensors import SafetensorError, safe_open

        # Threads of its own would gain nothing, and fail for good if none could be started once.
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
        self._nowhere = np.zeros(self.dimension, dtype=np.float32)
        self._nowhere[0] = 1.0

    @property
    def identity(self) -> ModelIdentity:
        """The name `wordllama` and the hash of its weights."""
        return self._identity

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """(instruction, text) pairs -> float32 (len(pairs), 256), unit norm, in order."""
        vectors = np.empty((len(pairs), self.dimension), dtype=np.float32)
        for start in range(0, len(pairs), BATCH):
            texts = [text for _, text in pairs[start : start + BATCH]]
            for row, found in enumerate(self._tokenizer.encode_batch(texts, add_special_tokens=False), start):
                mean = self._table[found.ids].astype(np.float32).sum(axis=0)  # its length goes with the norm
                norm = float(np.linalg.norm(mean))
                vectors[row] = mean / norm if norm > 0 else self._nowhere
        return vectors

    def close(self) -> None:
        """Give back the memory."""
        del self._table, self._tokenizer
