"""Horizontal bars of block characters, an eighth of a cell fine."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from imgret.terminal.clean import clean

_EIGHTHS = " ▏▎▍▌▋▊▉█"
LONGEST_LABEL = 32  # cells


def bar_lines(rows: Sequence[tuple[str, float]], width: int, *, greatest: float | None = None) -> list[str]:
    """Return one line for each (label, value): label, bar, value. At most `width` cells, but at least 20.

    The longest bar is that of `greatest`, by default the greatest value. Values are at least 0; fractions have three
    digits.
    """
    if not rows:
        return []
    labels = [_cut(clean(label), LONGEST_LABEL) for label, _ in rows]
    values = [f"{value:.3f}" if isinstance(value, float) else str(value) for _, value in rows]
    label_cells = max(map(cells, labels))
    value_cells = max(map(len, values))
    room = max(20, width) - label_cells - value_cells - 4
    most = greatest or max(value for _, value in rows) or 1
    lines = []
    for label, value, (_, number) in zip(labels, values, rows, strict=True):
        bar = _bar(min(1.0, number / most), max(1, room))
        lines.append(f"  {label}{' ' * (label_cells - cells(label))} {value:>{value_cells}} {bar}".rstrip())
    return lines


def cells(text: str) -> int:
    """Return how many cells a clean text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def _bar(share: float, room: int) -> str:
    eighths = round(share * room * 8)
    if share > 0:
        eighths = max(1, eighths)  # a single photo is seen
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _cut(text: str, most: int) -> str:
    if cells(text) <= most:
        return text
    kept, left = "", most - 1
    for each in text:
        left -= cells(each)
        if left < 0:
            break
        kept += each
    return f"{kept}…"
