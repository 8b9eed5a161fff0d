"""Read files of JSON lines, of which one may be bad without stopping the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from imgret import inputs
from imgret.errors import UsageError

LINE_LIMIT = 1 << 20  # bytes


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
