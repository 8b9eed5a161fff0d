"""The one owner of stdout and of the narration on stderr.

stdout is data: bytes as they are, one record a line or NUL-terminated. stderr is narration: cleaned
sentences, with colours only on a terminal and never with NO_COLOR. A reader that goes away (`| head`)
ends the program quietly.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from imgret.errors import ImgretError
from imgret.terminal.clean import clean, escaped


def out(data: bytes) -> None:
    """Write bytes to stdout, as they are. SystemExit when the reader went away (`| head`)."""
    with _written():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def out_line(line: str | bytes) -> None:
    """One line of data. Text is UTF-8 whatever the locale says; bytes are written as they are."""
    out((line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line) + b"\n")


def out_json(told: bytes) -> None:
    """A line of JSON; what a terminal would obey is escaped in it."""
    out_line(escaped(told))


def out_path(path: bytes) -> None:
    """A path for another program: the original bytes, except that a terminal gets them cleaned."""
    if sys.stdout.isatty():
        path = clean(path).encode("utf-8", "replace")
    out(path + b"\n")


def flush() -> None:
    """Hand everything to the reader. SystemExit when it went away."""
    with _written():
        sys.stdout.flush()


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _let_go(sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(128 + signal.SIGPIPE) from None  # as the signal ends other programs
        raise ImgretError(f"the output cannot be written: {error.strerror}") from None


def say(sentence: str) -> None:
    """One line of narration. Where stderr cannot be written, the work goes on without it."""
    _narrate(clean(sentence))


def _narrate(line: str) -> None:
    try:
        print(line, file=sys.stderr)
    except OSError:
        with suppress(OSError):
            _let_go(sys.stderr.fileno())


def _let_go(descriptor: int) -> None:
    """What could not be written goes nowhere: the interpreter flushes once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def say_all(sentences: Iterable[str]) -> None:
    """Several lines of narration."""
    for sentence in sentences:
        say(sentence)


def complain(error: ImgretError, program: str = "imgret") -> None:
    """What happened, and what to do."""
    lit = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    name = f"\x1b[1;31m{program}:\x1b[0m" if lit else f"{program}:"
    _narrate(f"{name} {clean(str(error))}")
    if error.hint:
        _narrate(clean(error.hint))


def counted(count: int, noun: str) -> str:
    """`1 photo`, `2 photos`: a number and a noun whose plural takes an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shown(path: bytes) -> str:
    """A path in a sentence: cleaned, and with the home folder as `~`."""
    home = os.fsencode(os.path.expanduser("~"))
    if path == home or path.startswith(home + b"/"):
        path = b"~" + path[len(home) :]
    return clean(path)
