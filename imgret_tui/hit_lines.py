"""How a hit is drawn in the list and in the grid: functions from a hit to the segments of one line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from imgret.photo import Hit
from imgret.stages.plurals import counted, plural
from imgret.terminal.clean import clean
from imgret.terminal.highlight import highlight
from imgret_tui.cell_image import CellImage

STRENGTHS = {"strong": "●●●", "fair": "●●○", "weak": "●○○"}
THUMBNAIL_COLUMNS = 8  # of a list entry three rows high: 4:3 at cells of 1:2
CURSOR, MARK = "▌", "✓"
_FORMATS: dict[str | None, str] = {"year": "%Y", "month": "%Y-%m"}
_STRENGTH_WIDTH = 20  # cells: a narrower list has no column for the strength


class LineStyles(NamedTuple):
    """The styles of one line; `base` has the background."""

    base: Style
    cursor: Style
    mark: Style
    dim: Style
    highlight: Style
    warning: Style


class ListedHit(NamedTuple):
    """A hit and its state in the list."""

    hit: Hit
    words: frozenset[str]  # to highlight
    is_current: bool  # under the cursor
    is_marked: bool
    image: CellImage | None  # None: not loaded yet


def file_name(hit: Hit) -> str:
    """The name of the file, safe for a terminal."""
    return clean(os.path.basename(hit.path))


def date_text(taken_at: int | None, precision: str | None = None) -> str:
    """The day, or the month or year if no more is known, of seconds since 1970 in UTC.

    Empty if it is not known or not in the calendar.
    """
    if taken_at is None:
        return ""
    try:
        return datetime.fromtimestamp(taken_at, UTC).strftime(_FORMATS.get(precision, "%Y-%m-%d"))
    except (ValueError, OverflowError, OSError):  # a camera's clock can have any value
        return ""


def counts_text(objects: Mapping[str, int]) -> str:
    """The objects, most frequent first: `2 dogs, 1 ball`."""
    return ", ".join(
        counted(count, clean(label)) for label, count in sorted(objects.items(), key=lambda item: -item[1])
    )


def list_line(
    entry: ListedHit, row: int, rows: int, width: int, styles: LineStyles, thumbnail_columns: int
) -> list[Segment]:
    """Row `row` of the `rows` of a list entry, exactly `width` cells wide; 0 thumbnail columns: without one."""
    line = _gutter(entry, row, styles)
    if thumbnail_columns:
        line += _image_line(entry.image, row, thumbnail_columns, styles.base)
        line.append(Segment(" ", styles.base))
    if row == 0:
        return _with_strength([*line, *_title(entry, styles)], entry.hit, width, styles)
    if row == 1 and rows > 2:
        line += _reasons(entry.hit, styles)
    else:
        line.append(Segment(_facts(entry.hit), styles.dim))
    return fit_segments(line, width, styles.base)


def grid_line(entry: ListedHit, row: int, rows: int, width: int, styles: LineStyles) -> list[Segment]:
    """Row `row` of the `rows` of a grid cell, exactly `width` cells wide; the last row has the file name."""
    if row < rows - 1:
        image = _image_line(entry.image, row, width - 1, styles.base, centred=True)
        return fit_segments(image, width, styles.base)
    prefix = [Segment(CURSOR, styles.cursor)] if entry.is_current else []
    prefix += [Segment(MARK, styles.mark)] if entry.is_marked else []
    style = styles.cursor if entry.is_current else styles.dim if entry.hit.online else styles.warning
    name = Segment(_end_of_name(file_name(entry.hit), width - 1 - len(prefix)), style)
    return [*fit_segments([*prefix, name], width - 1, styles.base), Segment(" ", styles.base)]


def fit_segments(segments: Iterable[Segment], width: int, base: Style) -> list[Segment]:
    """The segments, cut or padded to exactly `width` cells (0 if it is negative)."""
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


def _gutter(entry: ListedHit, row: int, styles: LineStyles) -> list[Segment]:
    """Two cells: the cursor and the mark."""
    bar = Segment(CURSOR if entry.is_current else " ", styles.cursor if entry.is_current else styles.base)
    marked = entry.is_marked and row == 0
    return [bar, Segment(MARK if marked else " ", styles.mark if marked else styles.base)]


def _title(entry: ListedHit, styles: LineStyles) -> list[Segment]:
    """The caption; the file name of a photo without one."""
    if entry.hit.caption:
        parts = highlight(clean(entry.hit.caption), entry.words)
        return [Segment(text, styles.highlight if found else styles.base) for text, found in parts]
    return [Segment(file_name(entry.hit), styles.base)]


def _with_strength(line: list[Segment], hit: Hit, width: int, styles: LineStyles) -> list[Segment]:
    """The line with the strength of the match at its end, if there is room for it."""
    if width <= _STRENGTH_WIDTH:
        return fit_segments(line, width, styles.base)
    strength = [Segment(" ", styles.base), Segment(STRENGTHS.get(hit.strength, ""), styles.dim)]
    taken = sum(cell_len(text) for text, *_ in strength)
    return [*fit_segments(line, width - taken, styles.base), *fit_segments(strength, taken, styles.base)]


def _reasons(hit: Hit, styles: LineStyles) -> list[Segment]:
    """Why the photo was found, and the objects that are no reason."""
    why = ", ".join(clean(reason) for reason in hit.why)
    line = [Segment(why, styles.highlight)] if why else []
    objects = counts_text(
        {label: count for label, count in hit.objects.items() if not _is_named(label, hit.why)}
    )
    if objects:
        line.append(Segment(("  " if why else "") + objects, styles.dim))
    return line


def _is_named(label: str, why: Sequence[str]) -> bool:
    """Whether a reason is a count of these objects: `two traffic lights`."""
    return any(f" {reason}".endswith((f" {label}", f" {plural(label)}")) for reason in why)


def _facts(hit: Hit) -> str:
    place = file_name(hit) if hit.caption else clean(os.path.dirname(hit.path))  # the title has the name then
    copies = len(hit.other_paths)
    facts = (
        place,
        date_text(hit.taken_at, hit.taken_precision),
        "" if hit.online else "offline",
        "note" if hit.note else "",
        f"{copies} {'copy' if copies == 1 else 'copies'}" if copies else "",
    )
    return " · ".join(fact for fact in facts if fact)


def _end_of_name(name: str, width: int) -> str:
    """The end of a name that is too long: that is where cameras number their photos."""
    if cell_len(name) <= width:
        return name
    while name and cell_len(name) >= width:
        name = name[1:]
    return f"…{name}"


def _image_line(
    image: CellImage | None, row: int, columns: int, base: Style, *, centred: bool = False
) -> list[Segment]:
    if image is None or image.reason is not None:
        sign = "·" if image is None else "×"
        return fit_segments([Segment(sign if row == 0 else "", base)], columns, base)
    left = (columns - image.columns) // 2 if centred else 0
    space = [Segment(" " * left, base)] if left > 0 else []
    if row >= image.rows:
        return fit_segments(space, columns, base)
    right = columns - max(0, left) - image.columns
    return [*space, *image.line(row, base), *([Segment(" " * right, base)] if right > 0 else [])]
