"""Locks between processes that use the same index: one for indexing, one for replacing or migrating the file.

Both are `flock`s on files beside the index, which the kernel releases when the process ends.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator

from imgret.errors import IndexBusy
from imgret.store import file_lock
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, translated_errors


@contextlib.contextmanager
def writer_lock(
    path: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock for indexing into `path`; see `file_lock.held`."""
    with translated_errors(path):
        fd = file_lock.opened(f"{path}.lock")
    with file_lock.held(fd, path, wait, waiting):
        yield


@contextlib.contextmanager
def preparation_lock(path: str, wait: float = 10 * BUSY_SECONDS) -> Iterator[int]:
    """Hold the lock for creating, migrating or replacing the file at `path`.

    Other processes can open the index meanwhile, unless they have to make such a change themselves. Yields a
    descriptor of the file `path`.id, see `imgret.store.sqlite.identity`. Raises IndexBusy after `wait` seconds.
    """
    with translated_errors(path):
        fd = file_lock.opened(f"{path}.id")
    try:
        deadline = time.monotonic() + wait
        while not file_lock.taken(fd):
            if time.monotonic() >= deadline:
                raise IndexBusy(f"another process has been migrating or replacing {path} for {wait:.0f} s")
            time.sleep(0.02)
        yield fd
    finally:
        os.close(fd)
