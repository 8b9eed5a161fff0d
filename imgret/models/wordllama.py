"""Embed texts without torch: wordllama, a small embedder whose weights are part of its package.

It replaces the configured embedder if its weights are missing, and can be chosen in the settings. A vector is the mean
of the vectors of a text's tokens (256 dimensions). Instructions are ignored.

Only the files of the package are used: its code imports requests and pydantic for downloads, which would add half a
second to every `imgret query`. A test compares the vectors with those of the package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from imgret.errors import WeightsError
from imgret.models.model_protocols import Vectors
from imgret.models.static_embedder import TokenMeans, load_tokenizer
from imgret.photo import ModelIdentity

# beside the folder of the weights
TOKENIZER = os.path.join("tokenizers", "l2_supercat_tokenizer_config.json")
_ADVICE = "Install it again: `pip install --force-reinstall wordllama`."


class WordLlamaEmbedder:
    """An `Embedder` of 256 dimensions."""

    dimension = 256

    def __init__(self, path: str, identity: ModelIdentity) -> None:
        """Load the weights at `path`, a file inside the package. Raises WeightsError."""
        from safetensors import SafetensorError, safe_open

        self._identity = identity
        tokenizer = load_tokenizer(os.path.join(os.path.dirname(os.path.dirname(path)), TOKENIZER), _ADVICE)
        try:
            with safe_open(path, framework="numpy") as tensors:
                table = tensors.get_tensor("embedding.weight")  # (tokens, 256), float16
        except (OSError, ValueError, SafetensorError) as error:
            raise WeightsError(f"{path} cannot be loaded: {error}", _ADVICE) from error
        self._means = TokenMeans(tokenizer, table)

    @property
    def identity(self) -> ModelIdentity:
        """The name `wordllama` and the hash of its weights."""
        return self._identity

    def embed(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Embed (instruction, text) pairs. Return float32 (len(pairs), 256), unit norm, in order."""
        return self._means.of([text for _, text in pairs])

    embed_queries = embed

    def close(self) -> None:
        """Release the memory."""
        del self._means
