"""Texts cut into tokens by the tokenizer of SQLite's FTS5, for all engines: unicode61 and the Porter stemmer."""

from __future__ import annotations

from collections.abc import Callable

import apsw

TOKENIZER = (
    "porter",
    ["unicode61", "remove_diacritics", "2", "categories", "L* N* Co So"],
)


def tokenizer(db: apsw.Connection | None = None) -> Callable[[str], list[str]]:
    """Return the function text, as `fold.cut` gives it -> tokens. It belongs to the thread of `db`."""
    make = (db or apsw.Connection(":memory:")).fts5_tokenizer(*TOKENIZER)

    def tokens(text: str) -> list[str]:
        data, reason = text.encode("utf-8", "replace"), apsw.FTS5_TOKENIZE_DOCUMENT
        found: list[str] = make(data, reason, None, include_offsets=False, include_colocated=False)  # type: ignore[assignment]
        return found

    return tokens
