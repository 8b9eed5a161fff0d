"""Locks between processes of one host: `flock`s, which the kernel releases when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from imgret.errors import IndexBusy


@contextlib.contextmanager
def held(fd: int, place: str, wait: float, waiting: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the lock of an open file, for writing to the index at `place`. Closes the file.

    Waits up to `wait` seconds, then raises IndexBusy. Before waiting, `waiting` is called once with a description of
    the process that holds the lock.
    """
    try:
        deadline, reported = time.monotonic() + wait, False
        while not taken(fd):
            holder = os.pread(fd, 64, 0).decode("ascii", "replace").strip() or "another process"
            if time.monotonic() >= deadline:
                raise IndexBusy(f"{holder} is writing to {place}")
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


def opened(path: str) -> int:
    """Open the file of a lock, mode 0600; it and its folder are made if they are missing. Raises OSError."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def taken(fd: int) -> bool:
    """Take the lock if it is free. -> whether this process has it now"""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
