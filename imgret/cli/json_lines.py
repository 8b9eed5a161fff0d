"""Read files of JSON lines, of which one may be bad without stopping the others."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from imgret import inputs
from imgret.errors import UsageError

LINE_LIMIT = 1 << 20  # bytes


class PhotoLine(Struct):
    """A line about the photo at a path."""

    path: str = ""
    path_bytes: str | None = None  # base64, for a path that is not UTF-8; in place of `path`


Line = TypeVar("Line", bound=PhotoLine)


def photo_line(raw: bytes | None, kind: type[Line], noun: str) -> tuple[Line, str]:
    """Return a line of `numbered_lines` as a `kind`, and its path. Raises UsageError; `noun` names what is expected."""
    if raw is None:
        raise UsageError(f"a line has at most {LINE_LIMIT} bytes")
    try:
        # The json module, because msgspec rejects surrogates, with which Python writes names that are not UTF-8.
        line = msgspec.convert(json.loads(raw), kind)
        path = line.path
        if line.path_bytes is not None:
            path = os.fsdecode(base64.b64decode(line.path_bytes, validate=True))
    except json.JSONDecodeError as error:
        raise UsageError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:  # of JSON, msgspec, base64 and UTF-8
        raise UsageError(f"not {noun}: {error}") from None
    if not path:
        raise UsageError("there is no path")
    return line, path


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line) for each line that is not empty; the line is None if it is too long."""
    number = 0
    while raw := file.readline(LINE_LIMIT):
        number += 1
        whole = raw.endswith(b"\n") or len(raw) < LINE_LIMIT
        while raw and not raw.endswith(b"\n") and len(raw) == LINE_LIMIT:  # skip the rest of it
            raw = file.readline(LINE_LIMIT)
        if not whole:
            yield number, None
        elif text := raw.removeprefix(b"\xef\xbb\xbf").strip():
            yield number, text


@contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """Open a file to read, or stdin for `-`. Raises UsageError."""
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(inputs.path_bytes(source), "rb")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from None
    with file:
        yield file
