"""What is known of the photo under the cursor, as lines of text."""

from __future__ import annotations

from typing import NamedTuple

from textual.content import Content
from textual.widgets import Static

from imgret.cli.console import bytes_text
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret.terminal.highlight import highlight, query_words
from imgret_tui.hit_lines import date_text
from imgret_tui.hit_texts import HOME, cut_name, drawable, home_text, title
from imgret_tui.search_backend import PhotoDetails

LABEL_STYLE = "$muted"
HIGHLIGHT_STYLE = "bold $text-accent"
_MAX_COPIES = 3
_LABEL_CELLS = 8  # with the space after it
_TITLE_LINES = 2  # where not all rows have room


class DetailsRow(NamedTuple):
    """A text behind its label; without one it begins at the left edge."""

    label: str
    text: Content
    is_path: bool = False  # cut in the middle

    @property
    def line(self) -> Content:
        """Label and text."""
        return self._lines([self.text])[0]

    def wrapped(self, width: int) -> list[Content]:
        """The row in lines of at most `width` cells; all begin where its text begins."""
        return self._lines(self.text.wrap(max(1, width - (_LABEL_CELLS if self.label else 0))))

    def cut(self, width: int) -> Content:
        """The row in one line of `width` cells."""
        if not self.is_path:
            return self.line.truncate(width, ellipsis=True)
        return self._lines([Content(cut_name(self.text.plain, width - _LABEL_CELLS))])[0]

    def _lines(self, texts: list[Content]) -> list[Content]:
        if not self.label:
            return texts
        labels = (self.label, *("" for _ in texts[1:]))
        return [
            Content.assemble((label.ljust(_LABEL_CELLS), LABEL_STYLE), text)
            for label, text in zip(labels, texts, strict=True)
        ]


def fitted_lines(rows: list[DetailsRow], width: int, height: int) -> list[Content]:
    """The rows in lines of at most `width` cells. If there are more than `height`, each row but the first takes one."""
    lines = [line for row in rows for line in row.wrapped(width)]
    if len(lines) <= height or not rows:
        return lines
    first = rows[0].wrapped(width)
    if len(first) > _TITLE_LINES:
        last = Content(" ").join(first[_TITLE_LINES - 1 :]).truncate(width, ellipsis=True)
        first = [*first[: _TITLE_LINES - 1], last]
    return [*first, *(row.cut(width) for row in rows[1:])][: max(0, height)]


class DetailsView(Static):
    """Caption, reasons, counts, topics, note, date, place, size and path of a photo."""

    def __init__(self) -> None:
        super().__init__("", id="details", markup=False)
        self._rows: list[DetailsRow] = []

    def show(self, hit: Hit | None, details: PhotoDetails | None, query: str) -> None:
        """Show a photo, or nothing; its details may follow later than the hit."""
        self._rows = details_rows(hit, details, query) if hit else []
        self.on_resize()

    def on_resize(self) -> None:
        """Arrange the rows for the size, which is the same for each photo: a new layout would send the whole screen again."""
        lines = fitted_lines(self._rows, *self.content_size)
        self.update(Content("\n").join(lines), layout=False)


def details_rows(hit: Hit, details: PhotoDetails | None, query: str) -> list[DetailsRow]:
    """The rows of a photo, its title first; what is not known has no row."""
    from imgret import stage_results

    words = query_words(query)
    found = [DetailsRow("", _highlighted(title(hit), words))]
    if details is not None and details.awaits_caption and not hit.caption:
        found.append(DetailsRow("", Content.styled("not described yet", "$muted")))
    camera = details.camera or "" if details else ""
    date = date_text(hit.taken_at, hit.taken_precision)
    photo = " · ".join(part for part in (date, camera, _size_text(hit, details)) if part)
    found += _rows(("why", ", ".join(hit.why)), ("match", _match_text(hit)))
    if hit.note and hit.caption:
        found.append(DetailsRow("note", _highlighted(" ".join(hit.note.split()), words)))
    found += _rows(*(row for row in stage_results.rows(hit.shown) if row[0] != "caption"), ("photo", photo))
    found.append(DetailsRow("path", Content(home_text(hit.path, HOME)), is_path=True))
    found += _rows(("gps", _position_text(details)))
    found += [
        DetailsRow("copy", Content(home_text(path, HOME)), is_path=True)
        for path in hit.other_paths[:_MAX_COPIES]
    ]
    if not hit.online:
        found.append(DetailsRow("", Content.styled("offline: its disk is not mounted", "$text-warning")))
    if details is not None and details.reason:
        style = "$muted" if details.state == "described" else "$text-warning"
        found.append(DetailsRow("", Content.styled(clean(f"{details.state}: {details.reason}"), style)))
    return found


def _rows(*rows: tuple[str, str]) -> list[DetailsRow]:
    return [DetailsRow(label, Content(clean(text))) for label, text in rows if text]


def _highlighted(text: str, words: frozenset[str]) -> Content:
    parts = highlight(drawable(text), words)
    return Content.assemble(*((part, HIGHLIGHT_STYLE if found else "") for part, found in parts))


def _match_text(hit: Hit) -> str:
    """The strength and the confidence that it stands for; empty if nothing was sought."""
    if not hit.strength:
        return ""
    return hit.strength + (f" ({hit.confidence:.2f})" if hit.confidence is not None else "")


def _size_text(hit: Hit, details: PhotoDetails | None) -> str:
    pixels = f"{hit.width} x {hit.height}" if hit.width and hit.height else ""
    if details is None or details.size is None:
        return pixels
    return ", ".join(part for part in (pixels, bytes_text(details.size)) if part)


def _position_text(details: PhotoDetails | None) -> str:
    if details is None or details.latitude is None or details.longitude is None:
        return ""
    north, east = details.latitude, details.longitude
    return f"{abs(north):.4f}° {'N' if north >= 0 else 'S'}, {abs(east):.4f}° {'E' if east >= 0 else 'W'}"
