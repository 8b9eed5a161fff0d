"""What a photo looks like in the list and in the grid: pure functions from a hit to one line of segments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui.lit import lit
from imgret_tui.shown import Shown

STRENGTHS = {"strong": "●●●", "fair": "●●○", "weak": "●○○"}
THUMBNAIL_COLUMNS = 8  # of a list entry three rows high: 4:3 at cells of 1:2
CURSOR, MARK = "▌", "✓"


class Styles(NamedTuple):
    """The colours of one line; `base` has the background."""

    base: Style
    cursor: Style
    mark: Style
    dim: Style
    lit: Style
    warning: Style


class Entry(NamedTuple):
    """A hit and how it stands in the list."""

    hit: Hit
    words: frozenset[str]
    cursor: bool
    marked: bool
    picture: Shown | None


def name_of(hit: Hit) -> str:
    """The file's name, clean."""
    return clean(os.path.basename(hit.path))


def day(taken_at: int | None) -> str:
    """The date of a photo, empty where it is not known."""
    if taken_at is None:
        return ""
    try:
        return datetime.fromtimestamp(taken_at, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # a camera's clock can say anything
        return ""


def counts(objects: Mapping[str, int]) -> str:
    """The objects, most first: `2 dog, 1 ball`."""
    return ", ".join(
        f"{count} {clean(label)}" for label, count in sorted(objects.items(), key=lambda kv: -kv[1])
    )


def list_line(entry: Entry, row: int, rows: int, width: int, styles: Styles, thumbnail: int) -> list[Segment]:
    """Row `row` of `rows` of a list entry, exactly `width` cells; `thumbnail` is its columns, 0 for none."""
    line = _gutter(entry, row, styles)
    if thumbnail:
        line += _picture(entry.picture, row, thumbnail, styles.base)
        line.append(Segment(" ", styles.base))
    hit = entry.hit
    if row == 0:
        line += _headline(entry, styles)
    elif row == 1 and rows > 2:
        line += _reasons(hit, styles)
    else:
        place = name_of(hit) if hit.caption else clean(os.path.dirname(hit.path))  # the name stands above
        facts = [place, day(hit.taken_at), "" if hit.online else "offline", "note" if hit.note else ""]
        line.append(Segment(" · ".join(fact for fact in facts if fact), styles.dim))
    if row == 0:
        strength = STRENGTHS.get(hit.strength, "")
        return (
            [
                *fitted(line, width - len(strength) - 1, styles.base),
                *fitted(
                    [Segment(" ", styles.base), Segment(strength, styles.dim)], len(strength) + 1, styles.base
                ),
            ][: width + 1]
            if width > 20
            else fitted(line, width, styles.base)
        )
    return fitted(line, width, styles.base)


def grid_line(entry: Entry, row: int, rows: int, width: int, styles: Styles) -> list[Segment]:
    """Row `row` of `rows` of a grid cell, exactly `width` cells: the picture, and its name in the last row."""
    if row == rows - 1:
        mark = [Segment(CURSOR, styles.cursor)] if entry.cursor else []
        mark += [Segment(MARK, styles.mark)] if entry.marked else []
        style = styles.cursor if entry.cursor else styles.dim if entry.hit.online else styles.warning
        name = fitted(
            [*mark, Segment(_tail(name_of(entry.hit), width - 1 - len(mark)), style)], width - 1, styles.base
        )
        return [*name, Segment(" ", styles.base)]
    return fitted(_picture(entry.picture, row, width - 1, styles.base, centred=True), width, styles.base)


def fitted(segments: Iterable[Segment], width: int, base: Style) -> list[Segment]:
    """The segments cut or filled to exactly `width` cells."""
    line: list[Segment] = []
    left = max(0, width)
    for text, style, _ in segments:
        cells = cell_len(text)
        if cells > left:
            text, cells = set_cell_size(text, left), left
        if text:
            line.append(Segment(text, style))
        left -= cells
        if left <= 0:
            break
    if left > 0:
        line.append(Segment(" " * left, base))
    return line


def _gutter(entry: Entry, row: int, styles: Styles) -> list[Segment]:
    bar = Segment(CURSOR if entry.cursor else " ", styles.cursor if entry.cursor else styles.base)
    mark = entry.marked and row == 0
    return [bar, Segment(MARK if mark else " ", styles.mark if mark else styles.base)]


def _headline(entry: Entry, styles: Styles) -> list[Segment]:
    if entry.hit.caption:
        parts = lit(clean(entry.hit.caption), entry.words)
        return [Segment(text, styles.lit if bright else styles.base) for text, bright in parts]
    return [Segment(name_of(entry.hit), styles.base)]


def _reasons(hit: Hit, styles: Styles) -> list[Segment]:
    why = ", ".join(clean(reason) for reason in hit.why)
    line = [Segment(why, styles.lit)] if why else []
    said = {reason.rpartition(" ")[2] for reason in hit.why}
    objects = counts({label: count for label, count in hit.objects.items() if label not in said})
    if objects:
        line.append(Segment(("  " if why else "") + objects, styles.dim))
    return line


def _tail(name: str, width: int) -> str:
    """A name that is too long by its end: cameras number their photos there."""
    if cell_len(name) <= width:
        return name
    while name and cell_len(name) >= width:
        name = name[1:]
    return f"…{name}"


def _picture(
    picture: Shown | None, row: int, columns: int, base: Style, *, centred: bool = False
) -> list[Segment]:
    if picture is None or picture.reason is not None:
        mark = "·" if picture is None else "×"
        return fitted([Segment(mark if row == 0 else "", base)], columns, base)
    left = (columns - picture.columns) // 2 if centred else 0
    space = [Segment(" " * left, base)] if left > 0 else []
    if row >= picture.rows:
        return fitted(space, columns, base)
    filling = columns - max(0, left) - picture.columns
    return [*space, *picture.line(row, base), *([Segment(" " * filling, base)] if filling > 0 else [])]
