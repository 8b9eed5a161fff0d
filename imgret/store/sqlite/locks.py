"""Locks between processes on one index: who indexes, and who changes the file as a whole.

Both are `flock`s on a file beside the index, which the kernel drops with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from imgret.errors import IndexBusy
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, explained


@contextlib.contextmanager
def writer(path: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of the one process that indexes into `path`.

    Waits up to `wait` seconds (`waiting` is told once who holds it), then raises IndexBusy.
    """
    with explained(path):
        fd = _opened(f"{path}.lock")
    try:
        deadline, told = time.monotonic() + wait, False
        while not _taken(fd):
            holder = os.pread(fd, 64, 0).decode("ascii", "replace").strip() or "another process"
            if time.monotonic() >= deadline:
                raise IndexBusy(f"{holder} is writing to {path}")
            if waiting and not told:
                waiting(holder)
                told = True
            time.sleep(0.1)
        with contextlib.suppress(OSError):  # the name is a courtesy: a full disk must not cost the lock
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def preparing(path: str, wait: float = 10 * BUSY_SECONDS) -> Iterator[int]:
    """Hold the lock of the one process that creates, migrates or replaces the file at `path`.

    Others that open the index wait for it only where they have such a change to make themselves. -> a
    descriptor of the file `path`.id, see `imgret.store.sqlite.identity`. Raises IndexBusy after `wait` seconds.
    """
    with explained(path):
        fd = _opened(f"{path}.id")
    try:
        deadline = time.monotonic() + wait
        while not _taken(fd):
            if time.monotonic() >= deadline:
                raise IndexBusy(f"another process has been preparing {path} for {wait:.0f} s")
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
