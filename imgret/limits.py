"""Describe unexpected exceptions: an exhausted system resource, or a bug.

Used where a thread or a command catches all exceptions, so that the user never sees a traceback.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from imgret.errors import ImgretError

GPU_FULL = "the GPU has too little free memory"
_LIMITS = {
    errno.EMFILE: "too many files are open in this process (`ulimit -n`)",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "there is not enough memory",
    errno.EAGAIN: "no further thread or process can be started (`ulimit -u`)",
    errno.ENOSPC: "a disk is full",
    errno.EDQUOT: "your disk quota is exceeded",
}


# Messages of torch, CUDA, cuBLAS, cuDNN, oneDNN and onnxruntime; some libraries have no exception class for it.
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate",
    "cannot allocate",
    "failed to allocate",
    "bad alloc",
    "bad_alloc",  # of C++
    "status_alloc_failed",
    "allocation_failed",
)
_ON_GPU = ("cuda", "cublas", "cudnn", "hip ", "mps")


class Shortage(ImgretError):
    """The system has no memory, thread, process or file descriptor left; a later attempt may succeed."""

    hint = "End other programs, or raise the limit."


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error means that memory ran out: in Python, on CUDA or MPS, or in the CPU allocator."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or any(sign in text for sign in _OUT_OF_MEMORY)


def is_gpu_full(error: BaseException) -> bool:
    """Return whether the error means that the memory of a GPU ran out."""
    if not is_out_of_memory(error):
        return False
    # torch raises OutOfMemoryError for accelerators only.
    return type(error).__name__ == "OutOfMemoryError" or any(sign in str(error).lower() for sign in _ON_GPU)


def gpu_full() -> Shortage:
    """Return the error to raise where a GPU has too little memory even for one photo or for the weights."""
    return Shortage(
        GPU_FULL, "End other programs that use it, or choose another device in the configuration."
    )


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
    if is_gpu_full(error):
        return gpu_full()
    if is_out_of_memory(error):
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
