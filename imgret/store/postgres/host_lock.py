"""The one process of this user and host that indexes into a library: its lock, and the name of this worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator

from imgret.errors import ReadOnly
from imgret.places import state_file
from imgret.store import file_lock


@contextlib.contextmanager
def writer_lock(
    place: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock for indexing into `place` from here; see `file_lock.held`."""
    path = state_file(place, ".lock")
    try:
        fd = file_lock.opened(path)
    except OSError as error:
        raise _refused(path, error) from None
    with file_lock.held(fd, place, wait, waiting):
        yield


def worker_name(place: str) -> str:
    """Return the name of this user and host among those that describe the library: random, and the same ever after."""
    path = state_file(place, ".worker")
    try:
        fd = file_lock.opened(path)
    except OSError as error:
        raise _refused(path, error) from None
    try:
        name = _name_in(fd)
        if not name:
            fcntl.flock(fd, fcntl.LOCK_EX)  # another process may be writing its own one
            name = _name_in(fd) or secrets.token_hex(16)
            os.pwrite(fd, f"{name}\n".encode(), 0)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        os.close(fd)
    return name


def _name_in(fd: int) -> str:
    return os.pread(fd, 64, 0).decode("ascii", "replace").strip()


def _refused(path: str, error: OSError) -> ReadOnly:
    return ReadOnly(f"{path} cannot be written: {error.strerror}")
