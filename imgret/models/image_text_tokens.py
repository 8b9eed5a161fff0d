"""Texts -> token ids, as image-text encoders were trained on them. Uses the `tokenizers` library only.

SigLIP and SigLIP 2 were trained on lower-case texts that are padded on the right to the full length, without an
attention mask; their pooled position is the last one, so another length gives other vectors. SigLIP 1 was trained
without punctuation too. The tokenizers in their repositories do not do all of this
(https://github.com/huggingface/transformers/pull/43101), so it is done here. CLIP's tokenizer lower-cases itself, and
its causal mask makes the padding irrelevant.
"""

from __future__ import annotations

import json
import os
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgret.errors import WeightsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = NDArray[np.int64]

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SIGLIP_1 = "SiglipTokenizer"


class TextTokenizer:
    """The tokenizer in the folder of an image-text encoder."""

    def __init__(self, path: str, model_type: str, length: int) -> None:
        """`length`: positions of the text tower. Raises WeightsError if the folder has no usable tokenizer."""
        self._settings = _settings(path)
        self._siglip = model_type.startswith("siglip")
        self._tokenizer = _tokenizer(path)
        self._mark_ends()
        padding = self._named("pad_token") or self._named("eos_token")
        number = self._tokenizer.token_to_id(padding) if padding else None
        if self._siglip and number is None:
            raise WeightsError(
                f"{path} cannot be used: its tokenizer_config.json names no pad_token of its tokenizer",
                "Choose other weights.",
            )
        # Truncation keeps the end token, as training did.
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(
            direction="right",
            pad_id=number or 0,
            pad_token=padding or "",
            length=length if self._siglip else None,
        )

    def __call__(self, texts: Sequence[str]) -> tuple[Ids, Ids | None]:
        """Return token ids (texts, length) and the attention mask; no mask for SigLIP. Long texts are truncated."""
        encoded = self._tokenizer.encode_batch([self._as_trained(text) for text in texts])
        ids = np.array([each.ids for each in encoded], np.int64)
        if self._siglip:
            return ids, None
        return ids, np.array([each.attention_mask for each in encoded], np.int64)

    def _as_trained(self, text: str) -> str:
        if not self._siglip:
            return text
        text = text.lower()
        if self._settings.get("tokenizer_class") in (_SIGLIP_1, f"{_SIGLIP_1}Fast"):
            text = " ".join(text.translate(_NO_PUNCTUATION).split())
        return text

    def _mark_ends(self) -> None:
        """Add the start and end tokens of the settings: those of Gemma override the tokenizer's own."""
        from tokenizers import processors

        flags = [self._settings.get(f"add_{end}_token") for end in ("bos", "eos")]
        if all(flag is None for flag in flags):
            return
        begin, end = (
            self._named(f"{end}_token") if flag else None
            for end, flag in zip(("bos", "eos"), flags, strict=True)
        )
        template = " ".join(part for part in (begin, "$A", end) if part)
        special = [(token, self._tokenizer.token_to_id(token)) for token in (begin, end) if token]
        self._tokenizer.post_processor = processors.TemplateProcessing(template, special_tokens=special)

    def _named(self, key: str) -> str | None:
        """Return a special token of the settings, which is a text or an object with its `content`."""
        token = self._settings.get(key)
        if isinstance(token, dict):
            token = token.get("content")
        return token if isinstance(token, str) and token else None


def _settings(path: str) -> dict[str, Any]:
    try:
        with open(os.path.join(path, "tokenizer_config.json"), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def _tokenizer(path: str) -> Tokenizer:
    """Load `tokenizer.json`; without it, transformers builds the same from the files of an older layout."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    file = os.path.join(path, "tokenizer.json")
    if os.path.isfile(file):
        with open(file, encoding="utf-8") as text:
            return Tokenizer.from_str(text.read())
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    return found.backend_tokenizer  # type: ignore[no-any-return]
