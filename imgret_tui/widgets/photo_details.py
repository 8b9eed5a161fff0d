"""What is known of the photo under the cursor, as lines of text."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from imgret.cli.console import bytes_text
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret.terminal.highlight import highlight, query_words
from imgret_tui.hit_lines import date_text
from imgret_tui.hit_texts import HOME, home_text, title
from imgret_tui.search_backend import PhotoDetails

LABEL_STYLE = "$muted"
HIGHLIGHT_STYLE = "bold $text-accent"
_MAX_COPIES = 3


class DetailsView(Static):
    """Caption, reasons, counts, topics, note, date, place, size and path of a photo."""

    def __init__(self) -> None:
        super().__init__("", id="details", markup=False)

    def show(self, hit: Hit | None, details: PhotoDetails | None, query: str) -> None:
        """Show a photo, or nothing; its details may follow later than the hit."""
        lines = details_lines(hit, details, query) if hit else []
        # The height is fixed: a new layout for each photo would send the whole screen again.
        self.update(Content("\n").join(lines), layout=False)


def details_lines(hit: Hit, details: PhotoDetails | None, query: str) -> list[Content]:
    """The lines of a photo, its title first; what is not known has no line."""
    from imgret import stage_results

    words = query_words(query)
    lines = [_highlighted(title(hit), words)]
    if details is not None and details.awaits_caption and not hit.caption:
        lines.append(Content.styled("not described yet", "$muted"))
    camera = details.camera or "" if details else ""
    date = date_text(hit.taken_at, hit.taken_precision)
    photo = " · ".join(part for part in (date, camera, _size_text(hit, details)) if part)
    rows = [
        ("why", ", ".join(hit.why)),
        ("match", _match_text(hit)),
        *((label, text) for label, text in stage_results.rows(hit.shown) if label != "caption"),
        ("photo", photo),
        ("gps", _position_text(details)),
    ]
    lines += [_row(label, Content(clean(text))) for label, text in rows if text]
    if hit.note and hit.caption:
        lines.append(_row("note", _highlighted(" ".join(hit.note.split()), words)))
    lines.append(_row("path", Content(home_text(hit.path, HOME))))
    lines += [_row("copy", Content(home_text(path, HOME))) for path in hit.other_paths[:_MAX_COPIES]]
    if not hit.online:
        lines.append(Content.styled("offline: its disk is not mounted", "$text-warning"))
    if details is not None and details.reason:
        style = "$muted" if details.state == "described" else "$text-warning"
        lines.append(Content.styled(clean(f"{details.state}: {details.reason}"), style))
    return lines


def _row(label: str, text: Content) -> Content:
    return Content.assemble((f"{label:<7} ", LABEL_STYLE), text)


def _highlighted(text: str, words: frozenset[str]) -> Content:
    parts = highlight(clean(text), words)
    return Content.assemble(*((part, HIGHLIGHT_STYLE if found else "") for part, found in parts))


def _match_text(hit: Hit) -> str:
    """The strength and the cosine; empty if nothing was sought."""
    if not hit.strength:
        return ""
    return hit.strength + (f" ({hit.cosine:.3f})" if hit.cosine is not None else "")


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
