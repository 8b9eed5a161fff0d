"""What is known of the photo under the cursor, in lines of text."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from imgret import stage_results
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui.cells import day
from imgret_tui.library import Details as Known
from imgret_tui.lit import lit, question_words

LABEL = "$muted"
LIT = "bold $text-accent"


class Details(Static):
    """Caption, reasons, counts, topics, note, date, place, size and path."""

    def __init__(self) -> None:
        super().__init__("", id="details", markup=False)

    def show(self, hit: Hit | None, known: Known | None, question: str) -> None:
        """Describe this photo; `known` may come later than the hit."""
        # Its height is fixed: a layout for each photo would send the whole screen again.
        self.update(Content("\n").join(described(hit, known, question)) if hit else Content(""), layout=False)


def described(hit: Hit, known: Known | None, question: str) -> list[Content]:
    """The lines of a photo, those that say nothing left out."""
    words = question_words(question)
    lines = [_lit(hit.caption, words) if hit.caption else Content.styled(_uncaptioned(known), "$muted")]
    taken = " · ".join(part for part in (day(hit.taken_at), _camera(known), _size(hit, known)) if part)
    rows = [
        ("why", ", ".join(hit.why)),
        ("match", hit.strength + (f" ({hit.cosine:.3f})" if hit.cosine is not None else "")),
        *((label, text) for label, text in stage_results.rows(hit.shown) if label != "caption"),
        ("photo", taken),
        ("place", _place(known)),
    ]
    lines += [_row(label, Content(clean(text))) for label, text in rows if text]
    if hit.note:
        lines.append(_row("note", _lit(" ".join(hit.note.split()), words)))
    lines.append(_row("path", Content(clean(hit.path))))
    lines += [_row("copy", Content(clean(path))) for path in hit.other_paths[:3]]
    if not hit.online:
        lines.append(Content.styled("offline: its disk is away", "$text-warning"))
    if known is not None and known.reason:
        style = "$muted" if known.state == "described" else "$text-warning"
        lines.append(Content.styled(clean(f"{known.state}: {known.reason}"), style))
    return lines


def _uncaptioned(known: Known | None) -> str:
    """What stands in place of a caption; nothing while it is not known whether one is to come."""
    if known is None:
        return ""
    return "not described yet" if known.awaits_caption else "no caption"


def _row(label: str, text: Content) -> Content:
    return Content.assemble((f"{label:<7}", LABEL), text)


def _lit(text: str, words: frozenset[str]) -> Content:
    return Content.assemble(*((part, LIT if bright else "") for part, bright in lit(clean(text), words)))


def _camera(known: Known | None) -> str:
    return known.camera or "" if known else ""


def _size(hit: Hit, known: Known | None) -> str:
    pixels = f"{hit.width} x {hit.height}" if hit.width and hit.height else ""
    if known is None or known.size is None:
        return pixels
    size = float(known.size)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            break
        size, unit = size / 1000, {"B": "kB", "kB": "MB", "MB": "GB"}[unit]
    return ", ".join(part for part in (pixels, f"{size:.3g} {unit}") if part)


def _place(known: Known | None) -> str:
    if known is None or known.latitude is None or known.longitude is None:
        return ""
    north, east = known.latitude, known.longitude
    return f"{abs(north):.4f}° {'N' if north >= 0 else 'S'}, {abs(east):.4f}° {'E' if east >= 0 else 'W'}"
