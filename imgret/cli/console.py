"""All output of the command line: data on stdout, messages on stderr.

stdout carries data: unchanged bytes, one record per line or NUL-terminated. stderr carries messages: text without
control characters, coloured only on a terminal and never with NO_COLOR. If the reader of stdout closes the pipe
(`| head`), the program ends without a message.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from imgret.errors import ImgretError
from imgret.terminal.clean import clean, escaped

_UNITS = ("B", "kB", "MB", "GB", "TB")


def out(data: bytes) -> None:
    """Write bytes to stdout unchanged. Raises SystemExit if the reader has closed the pipe (`| head`)."""
    with _write_errors():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def out_line(line: str | bytes) -> None:
    """Write one line of data. Text is encoded as UTF-8 in every locale; bytes are written unchanged."""
    out((line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line) + b"\n")


def out_json(line: bytes) -> None:
    """Write a line of JSON with control characters escaped."""
    out_line(escaped(line))


def out_path(path: bytes) -> None:
    """Write a path: the original bytes, or without control characters if stdout is a terminal."""
    if sys.stdout.isatty():
        path = clean(path).encode("utf-8", "replace")
    out(path + b"\n")


def flush() -> None:
    """Flush stdout. Raises SystemExit if the reader has closed the pipe."""
    with _write_errors():
        sys.stdout.flush()


@contextmanager
def _write_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _redirect_to_devnull(sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(128 + signal.SIGPIPE) from None  # the exit code of a program that SIGPIPE ends
        raise ImgretError(f"the output cannot be written: {error.strerror}") from None


def message(sentence: str) -> None:
    """Print one message to stderr. If stderr cannot be written, the message is dropped."""
    _print_message(clean(sentence))


def _print_message(line: str) -> None:
    try:
        print(line, file=sys.stderr)
    except OSError:
        with suppress(OSError):
            _redirect_to_devnull(sys.stderr.fileno())


def _redirect_to_devnull(descriptor: int) -> None:
    """Discard the unwritten output, because the interpreter flushes it once more at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)


def messages(sentences: Iterable[str]) -> None:
    """Print several messages to stderr."""
    for sentence in sentences:
        message(sentence)


def print_error(error: ImgretError, program: str = "imgret") -> None:
    """Print an error to stderr: what happened and what to do."""
    coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    name = f"\x1b[1;31m{program}:\x1b[0m" if coloured else f"{program}:"
    _print_message(f"{name} {clean(str(error))}")
    if error.hint:
        _print_message(clean(error.hint))


def counted(count: int, noun: str) -> str:
    """Return a number and a noun, such as `1 photo` or `2 photos`; the plural is formed with an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def bytes_text(count: int) -> str:
    """Return a number of bytes with three digits at most: `3.2 MB`."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit and amount < 99.95 else f"{amount:.0f} {_UNITS[unit]}"


def shown(path: bytes) -> str:
    """Return a path for a message: without control characters, and with `~` for the home folder."""
    home = os.fsencode(os.path.expanduser("~"))
    if path == home or path.startswith(home + b"/"):
        path = b"~" + path[len(home) :]
    return clean(path)
