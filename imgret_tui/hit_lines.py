"""How a hit is drawn in the list and in the grid: functions from a hit to the segments of one line."""

from __future__ import annotations

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
from imgret_tui.hit_texts import cut_end, cut_name, facts_text, file_name, title_lines

STRENGTHS = {"strong": "●●●", "fair": "●●○", "weak": "●○○"}
CURSOR, MARK = "▌", "✓"
_FORMATS: dict[str | None, str] = {"year": "%Y", "month": "%Y-%m"}
_STRENGTH_CELLS = 4  # with a space before it
_BETWEEN = " · "  # reasons and other objects
_STRENGTH_WIDTH = 20  # cells: a narrower list has no column for the strength


class LineStyles(NamedTuple):
    """The styles of one line; `base` has its background, `space` that of the list."""

    base: Style
    cursor: Style
    mark: Style
    dim: Style
    highlight: Style
    warning: Style
    strong: Style  # the sign of a strong match
    fair: Style
    space: Style  # of thumbnails and between entries, which the cursor does not change


class ListedHit(NamedTuple):
    """A hit and its state in the list."""

    hit: Hit
    words: frozenset[str]  # to highlight
    is_current: bool  # under the cursor
    is_marked: bool
    image: CellImage | None  # None: not loaded yet
    folder: str = ""  # to show; empty if all hits share it


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


def _date(hit: Hit) -> str:
    return date_text(hit.taken_at, hit.taken_precision)


def counts_text(objects: Mapping[str, int]) -> str:
    """The objects, most frequent first: `2 dogs, 1 ball`."""
    return ", ".join(
        counted(count, clean(label)) for label, count in sorted(objects.items(), key=lambda item: -item[1])
    )


def list_line(
    entry: ListedHit, row: int, rows: int, width: int, styles: LineStyles, thumbnail: tuple[int, int]
) -> list[Segment]:
    """Row `row` of the `rows` of a list entry, exactly `width` cells wide; `thumbnail` is its size, (0, 0) for none.

    The gutter, the thumbnail, the text and the last cell are segments of their own: each can be drawn alone.
    """
    line = _gutter(entry, row, styles)
    columns, image_rows = thumbnail
    if columns:
        image = _image_line(entry.image, row, columns, styles.space) if row < image_rows else []
        line += fit_segments(image, columns, styles.space)
        line.append(Segment(" ", styles.base))
    left = width - sum(cell_len(segment.text) for segment in line) - 1
    text = _text_line(entry, row, rows, left, styles)
    return [
        *fit_segments([*line, *fit_segments(text, left, styles.base)], width - 1, styles.base),
        Segment(" ", styles.space),
    ]


def _text_line(entry: ListedHit, row: int, rows: int, width: int, styles: LineStyles) -> list[Segment]:
    """The title in one or two rows, why, the facts; a row more stays empty."""
    hit = entry.hit
    titles = title_lines(hit, max(1, width - _STRENGTH_CELLS), 2 if rows > 3 else 1)
    if row < len(titles):
        parts = highlight(titles[row], entry.words)
        line = [Segment(text, styles.highlight if found else styles.base) for text, found in parts]
        return _with_strength(line, hit, width, styles) if row == 0 else line
    reasons = _reasons(hit, styles, width)
    if row == len(titles) and reasons:
        return reasons
    if row == len(titles) + bool(reasons):
        facts = facts_text(hit, _date(hit), entry.folder, width)
        return [Segment(facts, styles.dim)]
    return []


def grid_line(
    entry: ListedHit, row: int, rows: int, width: int, styles: LineStyles, text_rows: int = 1
) -> list[Segment]:
    """Row `row` of the `rows` of a grid cell, exactly `width` cells wide.

    The last `text_rows` have the file name, why the photo is there, and the facts. The first cell has the cursor, which is as
    high as the image, and the mark.
    """
    gutter = _gutter(entry, row, styles)[0 if entry.is_current or not entry.is_marked or row else 1]
    text_row = row - (rows - text_rows)
    if text_row < 0:
        image = _image_line(entry.image, row, width - 1, styles.space, centred=True)
        return [gutter, *fit_segments(image, width - 1, styles.space)]
    if text_row > 0:
        left = max(1, width - 2)
        facts = facts_text(entry.hit, _date(entry.hit), entry.folder, left)
        line = _reasons(entry.hit, styles, left) if text_row == 1 else [Segment(facts, styles.dim)]
        end = [Segment(" ", styles.space)]
        return fit_segments([gutter, *fit_segments(line, left, styles.base), *end], width, styles.base)
    sign = STRENGTHS.get(entry.hit.strength or "", "")
    prefix = [Segment(f"{MARK} ", styles.mark)] if entry.is_marked else []
    left = width - 3 - sum(cell_len(segment.text) for segment in prefix) - len(sign)
    style = styles.base if entry.hit.online else styles.warning
    line = [*prefix, Segment(cut_name(file_name(entry.hit), max(1, left)), style)]
    text = fit_segments(line, width - 2 - len(sign), styles.base)
    end = [Segment(sign, _strength_style(entry.hit, styles)), Segment(" ", styles.space)]
    return fit_segments([gutter, *text, *end], width, styles.base)


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


def _with_strength(line: list[Segment], hit: Hit, width: int, styles: LineStyles) -> list[Segment]:
    """The line with the strength of the match at its end, if there is room for it."""
    if width <= _STRENGTH_WIDTH:
        return line
    sign = [
        Segment(" ", styles.base),
        Segment(STRENGTHS.get(hit.strength or "", ""), _strength_style(hit, styles)),
    ]
    taken = sum(cell_len(text) for text, *_ in sign)
    return [*fit_segments(line, width - taken, styles.base), *fit_segments(sign, taken, styles.base)]


def _strength_style(hit: Hit, styles: LineStyles) -> Style:
    return {"strong": styles.strong, "fair": styles.fair}.get(hit.strength or "", styles.dim)


def _reasons(hit: Hit, styles: LineStyles, width: int) -> list[Segment]:
    """Why the photo was found, and the objects that are no reason."""
    why = cut_end(", ".join(clean(reason) for reason in hit.why), width)
    line = [Segment(why, styles.highlight)] if why else []
    objects = counts_text(
        {label: count for label, count in hit.objects.items() if not _is_named(label, hit.why)}
    )
    if objects:
        before = _BETWEEN if why else ""
        line.append(Segment(before + cut_end(objects, width - cell_len(why + before)), styles.dim))
    return line


def _is_named(label: str, why: Sequence[str]) -> bool:
    """Whether a reason is a count of these objects: `two traffic lights`."""
    return any(f" {reason}".endswith((f" {label}", f" {plural(label)}")) for reason in why)


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
