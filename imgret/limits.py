"""Errors of foreign kinds in words: a limit of the machine that was reached, or a mistake of ours.

For the boundaries of threads and commands, where nothing may end in a traceback.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from imgret.errors import ImgretError

_LIMITS = {
    errno.EMFILE: "too many files are open in this process (`ulimit -n`)",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "there is not enough memory",
    errno.EAGAIN: "no further thread or process can be started (`ulimit -u`)",
    errno.ENOSPC: "a disk is full",
    errno.EDQUOT: "your share of a disk is used up",
}


class Shortage(ImgretError):
    """The machine has no memory, thread, process or descriptor left; the same may go well later."""

    hint = "End other programs, or raise the limit."


def shortage(error: BaseException) -> Shortage | None:
    """The limit that was reached, if that is what `error` says."""
    if isinstance(error, Shortage):
        return error
    if isinstance(error, OSError) and error.errno in _LIMITS:
        return Shortage(_LIMITS[error.errno])
    text = str(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return Shortage(_LIMITS[errno.EAGAIN])
    if not isinstance(error, (OSError, ImgretError)) and "Resource temporarily unavailable" in text:
        return Shortage(_LIMITS[errno.EAGAIN])
    # torch: OutOfMemoryError of a GPU, and a RuntimeError of its allocator for a CPU
    torch_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and torch_memory):
        return Shortage(_LIMITS[errno.ENOMEM])
    return None


def must_end(error: BaseException) -> bool:
    """Whether somebody asked for the end, so that no boundary may go on.

    `except Exception` does not do: a failure in a library written in Rust (pyo3's PanicException) is none.
    """
    return isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit))


@contextlib.contextmanager
def limits_explained() -> Iterator[None]:
    """Raise Shortage for whatever says that a limit of the machine was reached."""
    try:
        yield
    except BaseException as error:
        short = None if isinstance(error, ImgretError) else shortage(error)
        if short is None:
            raise
        raise short from error


def as_sentence(error: BaseException) -> str:
    """What happened and what to do, in one line without its last full stop."""
    known = error if isinstance(error, ImgretError) else shortage(error)
    if known is not None:
        return known.advice
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror or error}"
    first = str(error).partition("\n")[0]
    return f"unexpected {type(error).__name__}: {first}" if first else f"unexpected {type(error).__name__}"
