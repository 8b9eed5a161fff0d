"""Hits as lines of text for a terminal: rank, strength, a linked path, a caption with the matching words marked, and why.

Reads the JSON of hits and imports next to nothing: `imgret query` prints with it what the daemon found.
"""

from __future__ import annotations

import os
import socket

from imgret.terminal.clean import clean
from imgret.terminal.highlight import highlight, query_words

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST = 300  # characters of a caption, a note or a text; a page of text would hide the other hits
INDENT = "    "
_COLOURS = {"strong": "32", "fair": "33", "weak": "2"}  # SGR: green, yellow, dim
_PATH, _WORD, _DIM = "1", "1;31", "2"  # SGR: bold, bold red as grep has it, dim
_DATE_LENGTH = {"year": 4, "month": 7}  # characters of an ISO date; else 10


class TextStyle:
    """What the terminal can show, and what paths are relative to."""

    def __init__(self, folder: bytes, home: bytes, *, coloured: bool, linked: bool, query: str) -> None:
        """`folder` is the working directory; words of `query` are highlighted."""
        self.folder = folder
        self.home = home
        self.coloured = coloured
        self.linked = linked
        self.words = query_words(query) if coloured else frozenset()

    def paint(self, text: str, colour: str) -> str:
        """Return `text` in a colour, an SGR parameter."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured and text else text


def style_of(environ: Mapping[str, str], folder: str, query: str) -> TextStyle:
    """Return the style for a terminal with this environment: NO_COLOR and TERM count."""
    term = environ.get("TERM", "")
    return TextStyle(
        os.fsencode(folder),
        os.fsencode(os.path.expanduser("~")),
        coloured=not environ.get("NO_COLOR") and term != "dumb",
        linked=term not in ("", "dumb", "linux"),  # the console prints a link's address
        query=query,
    )


def hit_lines(hit: Mapping[str, Any], path: bytes, style: TextStyle) -> str:
    """Return one to four lines, each with its newline. `hit` is the JSON of a hit, `path` its path on disk."""
    strength = str(hit.get("strength") or "")
    level = style.paint(f"{strength:<6}", _COLOURS.get(strength, "")) + " " if strength else ""
    shown = _linked(style.paint(clean(shortened(path, style)), _PATH), path, style)
    lines = [f"{hit.get('rank', 0):>2}. {level}{shown}"]
    note = hit.get("note")
    title = hit.get("caption") or note or " ".join(lines_read(hit))
    if title:
        lines.append(_marked(str(title), style))
    if note and note != title:
        lines.append(f"{style.paint('note:', _DIM)} {_marked(str(note), style)}")
    facts = [why] if (why := ", ".join(map(str, hit.get("why") or ()))) else []
    if date := date_text(hit):
        facts.append(date)
    if copies := hit.get("copies"):
        facts.append("1 copy" if copies == 1 else f"{copies} copies")
    if hit.get("online") is False:
        facts.append("offline")
    if facts:
        lines.append(style.paint(clean(" · ".join(facts)), _DIM))
    return lines[0] + "\n" + "".join(f"{INDENT}{line}\n" for line in lines[1:])


def lines_read(hit: Mapping[str, Any]) -> list[str]:
    """Return the lines of text that stand in the photo of a hit, without their boxes."""
    return [str(line["text"]) for line in hit.get("text") or ()]


def date_text(hit: Mapping[str, Any]) -> str:
    """Return the day, or the month or year if no more is known; empty without a date."""
    return str(hit.get("taken_at") or "")[: _DATE_LENGTH.get(str(hit.get("taken_precision")), 10)]


def shortened(path: bytes, style: TextStyle) -> bytes:
    """Return the path relative to the working directory, or with `~` for the home folder, or as it is."""
    for folder, short in ((style.folder, b""), (style.home, b"~/")):
        above = folder.rstrip(b"/") + b"/"
        if path.startswith(above) and len(above) > 1:
            return short + path[len(above) :]
    return path


def _marked(text: str, style: TextStyle) -> str:
    text = clean(text)
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "".join(
        style.paint(part, _WORD) if found else part for part, found in highlight(text, style.words)
    )


def _linked(text: str, path: bytes, style: TextStyle) -> str:
    """Return `text` as a hyperlink (OSC 8) to the file. The host lets a terminal on another machine see that it is not there."""
    if not style.linked or not path.startswith(b"/"):
        return text
    return f"\x1b]8;;file://{_percent(os.fsencode(socket.gethostname()))}{_percent(path)}\x1b\\{text}\x1b]8;;\x1b\\"


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def _percent(path: bytes) -> str:
    """Percent-encode a path (RFC 3986). The import of urllib.parse would take 4 ms."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in path)
