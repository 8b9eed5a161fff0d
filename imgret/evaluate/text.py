"""What stands in a text file, line by line or whole, and what is odd about it: BOM, CRLF, not UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec import Struct

from imgret.errors import UsageError
from imgret.evaluate.dataset import Problem, Trouble

_BOM = b"\xef\xbb\xbf"


class Line(Struct, frozen=True):
    """A line that is not blank, without its end."""

    text: str
    where: str  # "captions.txt:12"


def lines(path: str) -> Iterator[Line | Problem]:
    """The lines of a UTF-8 file as they are read; a BOM and CRLF are reported once and read all the same.

    Raises UsageError for a file that cannot be read.
    """
    name, first, count = os.path.basename(path), 0, 0
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                where = f"{name}:{number}"
                if number == 1 and raw.startswith(_BOM):
                    yield _bom(where)
                    raw = raw.removeprefix(_BOM)
                if raw.endswith(b"\r\n"):
                    first, count = first or number, count + 1
                try:
                    text = raw.decode().rstrip("\r\n")
                except UnicodeDecodeError as error:
                    what = f"not UTF-8 (byte {error.start} of the line)"
                    yield Problem(Trouble.MALFORMED, where, what, 1)
                    continue
                if text.strip():
                    yield Line(text, where)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if count:
        yield _crlf(f"{name}:{first}", count)


def document(path: str) -> tuple[bytes, list[Problem]]:
    """A whole file without its BOM, and what is odd about it. Raises UsageError if it cannot be read."""
    name, problems = os.path.basename(path), []
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if data.startswith(_BOM):
        problems.append(_bom(f"{name}:1"))
        data = data.removeprefix(_BOM)
    if count := data.count(b"\r\n"):
        first = data.count(b"\n", 0, data.index(b"\r\n")) + 1
        problems.append(_crlf(f"{name}:{first}", count))
    return data, problems


def _bom(where: str) -> Problem:
    return Problem(Trouble.BOM, where, "the file begins with a byte order mark")


def _crlf(where: str, count: int) -> Problem:
    return Problem(Trouble.CRLF, where, f"{count} line{'s' * (count != 1)} end in CRLF, the first one here")
