"""The last line of the screen: the most useful keys."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import Static


class KeyBar(Static):
    """Keys and what they do; those at the end are cut off first."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        super().__init__("", id="keys", markup=False)
        parts = (Content.assemble((key, "bold $text-accent"), (f" {text}", "$muted")) for key, text in keys)
        self.update(Content("   ").join(parts), layout=False)
