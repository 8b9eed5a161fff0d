"""Sanitize text from outside: command line arguments, JSON lines and socket requests.

Python decodes the bytes of an argument that is not UTF-8 to lone surrogates (PEP 383), and JSON can contain
lone surrogates and NUL. The functions here turn paths into bytes and other text into strings that can be
encoded, so no other module has to handle such characters.
"""

from __future__ import annotations

import os
import re

from imgret.errors import UsageError

NOTE_LIMIT = 100_000  # characters; a note is indexed as words and shown on a screen

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # `os.fsdecode` writes a byte that is not UTF-8 like this
_INVALID = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # cannot occur in a file name or terminal input


def encodable(text: str) -> str:
    """Return `text` in a form that `os.fsencode` accepts.

    Escaped bytes are kept; NUL and all other lone surrogates become U+FFFD.
    """
    return _INVALID.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_text(text: str) -> str:
    """Return `text` without surrogates and NUL.

    Bytes that are not UTF-8 are decoded as Windows-1252, the most common of the old encodings.
    """
    return _ESCAPED_BYTE.sub(_decode_cp1252, encodable(text))


def clean_note(text: str) -> str:
    """Return `text` as by `clean_text`. Raises UsageError if it is longer than NOTE_LIMIT characters."""
    if len(text) > NOTE_LIMIT:
        raise UsageError(
            f"the note is {len(text)} characters long; the limit is {NOTE_LIMIT} characters", "Shorten it."
        )
    return clean_text(text)


def path_bytes(text: str) -> bytes:
    """Return a path as bytes, with `~` expanded; a relative path stays relative."""
    # Expanded as text: os.path.expanduser accepts only ASCII user names in bytes.
    return os.fsencode(os.path.expanduser(encodable(text)))


def _decode_cp1252(escaped: re.Match[str]) -> str:
    return bytes([ord(escaped[0]) - 0xDC00]).decode("cp1252", "replace")
