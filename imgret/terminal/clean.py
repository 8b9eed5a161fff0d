"""One promise: whatever a file name, a caption or a note holds, `clean` makes it harmless to a terminal.

Escape sequences move the cursor, rewrite the clipboard (OSC 52) or ask the terminal to type; direction
marks show a name back to front; lone surrogates cannot be encoded; and the placeholder U+10EEEE would
show one of our own pictures in the wrong place. Each such character becomes U+FFFD, so that a reader
sees that something was there. The original is never changed: results are printed as the bytes on disk.
"""

from __future__ import annotations

import re

from imgret.terminal.kitty import PLACEHOLDER

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNFIT = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: everything that can begin a control sequence
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction marks
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # what `surrogateescape` leaves of a name that is not UTF-8
    f"{PLACEHOLDER}]"
)


def clean(text: str | bytes) -> str:
    """Return `text` as one line that any terminal may be sent; `bytes` are read as a path's.

    The length in characters is kept. `clean(clean(x)) == clean(x)`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return _UNFIT.sub(REPLACEMENT, text)


def escaped(line: bytes) -> bytes:
    """A line of JSON with the same meaning, in which `\\uXXXX` stands for what `clean` would replace."""
    text = line.decode()
    if _UNFIT.search(text) is None:
        return line

    def escape(unfit: re.Match[str]) -> str:
        units = unfit[0].encode("utf-16-be")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return _UNFIT.sub(escape, text).encode()
