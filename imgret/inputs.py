"""Text from outside, made safe to keep: arguments, JSON lines and what comes over the socket.

Python decodes an argument that is not UTF-8 with lone surrogates in place of the bytes (PEP 383), and JSON
can name surrogates of any kind and NUL. Nothing else in imgret has to expect them: paths become bytes here,
words become text that can be encoded.
"""

from __future__ import annotations

import os
import re

from imgret.errors import UsageError

NOTE_LIMIT = 100_000  # characters; a note is indexed as words and shown on a screen

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # what `os.fsdecode` makes of a byte that is not UTF-8
_IMPOSSIBLE = re.compile(
    "[\0\ud800-\udc7f\udd00-\udfff]"
)  # no file name holds these, and no terminal sends them


def encodable(text: str) -> str:
    """`text`, for `os.fsencode`: escaped bytes stay, NUL and any other lone surrogate become U+FFFD."""
    return _IMPOSSIBLE.sub("\N{REPLACEMENT CHARACTER}", text)


def words(text: str) -> str:
    """`text` as words: bytes that are not UTF-8 are read as Latin-1 (its Windows form), the likeliest of old
    encodings. The result has no surrogates and no NUL."""
    return _ESCAPED_BYTE.sub(_as_latin, encodable(text))


def note(text: str) -> str:
    """`text` as a note. Raises UsageError for one that is too long to be a note."""
    if len(text) > NOTE_LIMIT:
        raise UsageError(f"the note has {len(text)} characters, and {NOTE_LIMIT} is the most", "Shorten it.")
    return words(text)


def path(text: str) -> bytes:
    """A path, with `~` expanded, as the bytes on disk. Not made absolute."""
    return os.fsencode(os.path.expanduser(encodable(text)))  # of bytes it expects a user's name in ASCII


def _as_latin(escaped: re.Match[str]) -> str:
    return bytes([ord(escaped[0]) - 0xDC00]).decode("cp1252", "replace")
