"""Describe unexpected exceptions: an exhausted system resource, or a bug.

Used where a thread or a command catches all exceptions, so that the user never sees a traceback.
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
    errno.EDQUOT: "your disk quota is exceeded",
}


class Shortage(ImgretError):
    """The system has no memory, thread, process or file descriptor left; a later attempt may succeed."""

    hint = "End other programs, or raise the limit."


def shortage(error: BaseException) -> Shortage | None:
    """Return `error` as a Shortage if it means that a system limit was reached, else None."""
    if isinstance(error, Shortage):
        return error
    if isinstance(error, OSError) and error.errno in _LIMITS:
        return Shortage(_LIMITS[error.errno])
    text = str(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return Shortage(_LIMITS[errno.EAGAIN])
    if not isinstance(error, (OSError, ImgretError)) and "Resource temporarily unavailable" in text:
        return Shortage(_LIMITS[errno.EAGAIN])
    # torch raises OutOfMemoryError for a GPU, and a RuntimeError for the CPU.
    torch_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and torch_memory):
        return Shortage(_LIMITS[errno.ENOMEM])
    return None


def must_propagate(error: BaseException) -> bool:
    """Return whether `error` is a request to exit, which must not be swallowed.

    `except Exception` is not enough for callers: pyo3's PanicException, raised by libraries written in Rust,
    is not an Exception.
    """
    return isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit))


@contextlib.contextmanager
def ignored(*errors: type[Exception]) -> Iterator[None]:
    """As `contextlib.suppress`, except that an error which means that a system limit was reached raises Shortage.

    "No descriptor left" must not be mistaken for "there is no such file".
    """
    try:
        yield
    except errors as error:
        short = shortage(error)
        if short is not None:
            raise short from error


@contextlib.contextmanager
def limits_explained() -> Iterator[None]:
    """Raise Shortage in place of any exception that means that a system limit was reached."""
    try:
        yield
    except BaseException as error:
        short = None if isinstance(error, ImgretError) else shortage(error)
        if short is None:
            raise
        raise short from error


def as_sentence(error: BaseException) -> str:
    """Return what happened and what to do in one line, without the last full stop."""
    known = error if isinstance(error, ImgretError) else shortage(error)
    if known is not None:
        return known.advice
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror or error}"
    first = str(error).partition("\n")[0]
    return f"unexpected {type(error).__name__}: {first}" if first else f"unexpected {type(error).__name__}"
