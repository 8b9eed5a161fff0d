"""Make the text of a file name, a caption or a note safe to write to a terminal.

Escape sequences can move the cursor, rewrite the clipboard (OSC 52) or make the terminal send input. Direction marks
reverse the order of a name. Lone surrogates cannot be encoded. The placeholder U+10EEEE would show one of imgret's own
images in the wrong place. Each such character is replaced by U+FFFD, which the user can see. This is for display only:
results that scripts read contain the bytes on disk.
"""

from __future__ import annotations

import re

from imgret.terminal.kitty import PLACEHOLDER

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNFIT = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: all characters that can begin a control sequence
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # `surrogateescape` decodes bytes that are not UTF-8 to these
    f"{PLACEHOLDER}]"
)


def clean(text: str | bytes) -> str:
    """Return `text` as one line that is safe for any terminal; `bytes` are decoded as a path.

    The number of characters does not change. `clean(clean(x)) == clean(x)`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return _UNFIT.sub(REPLACEMENT, text)


def escaped(line: bytes) -> bytes:
    """Return an equivalent line of JSON, in which all characters that `clean` replaces are written as `\\uXXXX`."""
    text = line.decode()
    if _UNFIT.search(text) is None:
        return line

    def escape(unfit: re.Match[str]) -> str:
        units = unfit[0].encode("utf-16-be")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return _UNFIT.sub(escape, text).encode()
