"""Embed texts without torch: the mean of a vector for each token, for the models of model2vec and StaticEmbedding.

Loading such a model takes a fraction of the time that importing torch takes, so it is also the fastest embedder to
search with. model2vec leaves unknown tokens out; StaticEmbedding of sentence-transformers keeps them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.errors import WeightsError
from imgret.models.model_protocols import Vectors
from imgret.photo import ModelIdentity

BATCH = 256  # texts: limits the memory for the vectors of all their tokens
_ADVICE = "Run `imgret models verify`, or choose other weights."
_TABLES = ("embedding.weight", "embeddings")  # names of the tensor: of StaticEmbedding and of model2vec


class TokenMeans:
    """Mean vectors of the tokens of texts.

    The empty text has no tokens and so no mean. It gets a fixed unit vector that is close to no real text: a vector of
    zeros or NaN would disturb the nearest-neighbour search.
    """

    def __init__(self, tokenizer: Any, table: NDArray[Any], unknown: int | None = None) -> None:
        """`table` is (tokens, dimension); the token `unknown` is left out."""
        self._tokenizer, self._table, self._unknown = tokenizer, table, unknown
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.dimension = int(table.shape[1])
        self._empty = np.zeros(self.dimension, dtype=np.float32)
        self._empty[0] = 1.0

    def of(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dimension), unit norm, in order."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            encoded = self._tokenizer.encode_batch(texts[start : start + BATCH], add_special_tokens=False)
            for row, found in enumerate(encoded, start):
                tokens = [token for token in found.ids if token != self._unknown]
                mean = self._table[tokens].astype(np.float32).sum(axis=0)  # normalised below
                norm = float(np.linalg.norm(mean))
                vectors[row] = mean / norm if norm > 0 else self._empty
        return vectors


class StaticEmbedder:
    """An `Embedder` without instructions, with the prompts of the model."""

    def __init__(
        self, folder: str, identity: ModelIdentity, prompts: tuple[str, str], *, model2vec: bool
    ) -> None:
        """Load `folder`, which has the tokenizer and the tensors. `prompts` are those of queries and documents.

        Raises WeightsError.
        """
        tokenizer = load_tokenizer(os.path.join(folder, "tokenizer.json"), _ADVICE)
        table = _table(os.path.join(folder, "model.safetensors"))
        unknown = tokenizer.token_to_id(_unknown_token(tokenizer)) if model2vec else None
        if tokenizer.get_vocab_size() > len(table):
            raise WeightsError(
                f"{folder} has vectors for {len(table)} of {tokenizer.get_vocab_size()} tokens", _ADVICE
            )
        self._identity = identity
        self._means = TokenMeans(tokenizer, table, unknown)
        self._query, self._document = prompts

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and prompts."""
        return self._identity

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._means.dimension

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed documents as `Embedder.embed` does; the instructions are ignored."""
        return self._means.of([self._document + text for _, text in pairs])

    def embed_queries(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed queries."""
        return self._means.of([self._query + text for _, text in pairs])

    def close(self) -> None:
        """Release the memory."""
        del self._means


def load_tokenizer(file: str, advice: str) -> Any:
    """Return the tokenizer in a file. Raises WeightsError."""
    # Its own threads gain nothing here, and after one failed start they would never work again.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    try:
        with open(file, encoding="utf-8") as text:
            return Tokenizer.from_str(text.read())
    except Exception as error:  # tokenizers raises plain Exceptions
        raise WeightsError(f"{file} cannot be loaded: {error}", advice) from error


def _table(file: str) -> NDArray[Any]:
    """Return a vector for each token id, (tokens, dimension). Raises WeightsError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as tensors:
            there = set(tensors.keys())
            name = next((name for name in _TABLES if name in there), None)
            if name is None:
                raise WeightsError(
                    f"{file} has no vectors of tokens (embedding.weight or embeddings)", _ADVICE
                )
            table: NDArray[Any] = tensors.get_tensor(name)
            if "mapping" in there:  # the rows of a smaller vocabulary
                table = table[tensors.get_tensor("mapping").astype(np.int64)]
            if "weights" in there:  # of each token in the mean
                table = table.astype(np.float32) * tensors.get_tensor("weights").astype(np.float32)[:, None]
    except (OSError, ValueError, TypeError, IndexError, SafetensorError) as error:
        raise WeightsError(f"{file} cannot be loaded: {error}", _ADVICE) from error
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.number):
        raise WeightsError(f"{file} has vectors of the shape {table.shape} and type {table.dtype}", _ADVICE)
    return table


def _unknown_token(tokenizer: Any) -> str:
    import json

    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model.get("unk_id"), int):  # Unigram
        return str(tokenizer.id_to_token(model["unk_id"]))
    return str(model.get("unk_token") or "")
