"""Locks between processes that use the same index: one for indexing, one for replacing or migrating the file.

Both are `flock`s on files beside the index, which the kernel releases when the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from imgret.errors import IndexBusy
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, translated_errors


@contextlib.contextmanager
def writer_lock(
    path: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock for indexing into `path`.

    Waits up to `wait` seconds, then raises IndexBusy. Before waiting, `waiting` is called once with a description of
    the process that holds the lock.
    """
    with translated_errors(path):
        fd = _opened(f"{path}.lock")
    try:
        deadline, reported = time.monotonic() + wait, False
        while not _taken(fd):
            holder = os.pread(fd, 64, 0).decode("ascii", "replace").strip() or "another process"
            if time.monotonic() >= deadline:
                raise IndexBusy(f"{holder} is writing to {path}")
            if waiting and not reported:
                waiting(holder)
                reported = True
            time.sleep(0.1)
        with contextlib.suppress(OSError):  # the name is optional, so a full disk must not prevent locking
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def preparation_lock(path: str, wait: float = 10 * BUSY_SECONDS) -> Iterator[int]:
    """Hold the lock for creating, migrating or replacing the file at `path`.

    Other processes can open the index meanwhile, unless they have to make such a change themselves. Yields a
    descriptor of the file `path`.id, see `imgret.store.sqlite.identity`. Raises IndexBusy after `wait` seconds.
    """
    with translated_errors(path):
        fd = _opened(f"{path}.id")
    try:
        deadline = time.monotonic() + wait
        while not _taken(fd):
            if time.monotonic() >= deadline:
                raise IndexBusy(f"another process has been migrating or replacing {path} for {wait:.0f} s")
            time.sleep(0.02)
        yield fd
    finally:
        os.close(fd)


def _opened(path: str) -> int:
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
