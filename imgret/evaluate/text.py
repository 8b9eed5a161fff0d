"""Read text files line by line or as a whole, and report a BOM, CRLF line endings and lines that are not UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec import Struct

from imgret.errors import UsageError
from imgret.evaluate.dataset import Problem, ProblemKind

_BOM = b"\xef\xbb\xbf"


class Line(Struct, frozen=True):
    """A line that is not blank, without its line ending."""

    text: str
    where: str  # "captions.txt:12"


def lines(path: str) -> Iterator[Line | Problem]:
    """Yield the lines of a UTF-8 file. A BOM and CRLF are each reported once; the lines are still read.

    Raises UsageError if the file cannot be read.
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
                    yield Problem(ProblemKind.MALFORMED, where, what, 1)
                    continue
                if text.strip():
                    yield Line(text, where)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if count:
        yield _crlf(f"{name}:{first}", count)


def document(path: str) -> tuple[bytes, list[Problem]]:
    """Return a whole file without its BOM, and the problems in it. Raises UsageError if it cannot be read."""
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
    return Problem(ProblemKind.BOM, where, "the file begins with a byte order mark")


def _crlf(where: str, count: int) -> Problem:
    return Problem(
        ProblemKind.CRLF, where, f"{count} line{'s' * (count != 1)} end in CRLF, the first one here"
    )
