"""The last line of a page: its most useful keys."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

_GAP, _NARROW_GAP = 3, 2  # cells between two keys


class KeyBar(Static):
    """Keys and what they do, as many as fit."""

    def __init__(self, keys: Sequence[tuple[str, str]], *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        """`keys`: (key, what it does), the most useful first. The last one is shown in any case."""
        super().__init__("", id=id, markup=False)
        self._keys = keys

    def show(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show other keys."""
        self._keys = keys
        if self.is_mounted:
            self.on_resize()

    def on_resize(self) -> None:
        """Show what fits into the new width."""
        kept, gap = fitting(self._keys, self.content_size.width)
        parts = (Content.assemble((key, "bold $text-accent"), (f" {text}", "$muted")) for key, text in kept)
        self.update(Content(" " * gap).join(parts), layout=False)


def fitting(keys: Sequence[tuple[str, str]], width: int) -> tuple[list[tuple[str, str]], int]:
    """The keys that fit into `width` cells, and the cells between two of them.

    If not all fit, those before the last one are left out, from the end. At least one is kept.
    """
    kept = list(keys)
    gap = _GAP if _width(kept, _GAP) <= width else _NARROW_GAP
    while len(kept) > 1 and _width(kept, gap) > width:
        del kept[-2]
    return kept, gap


def _width(keys: Sequence[tuple[str, str]], gap: int) -> int:
    return sum(cell_len(f"{key} {text}") + gap for key, text in keys) - gap
