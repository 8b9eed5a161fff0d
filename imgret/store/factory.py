"""Opens the store at a place. The engine is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgret.store.interface import FileWatch, Store

__all__ = ["open_store", "restore", "watch_file", "writer_lock"]


def open_store(place: str, *, create: bool = True) -> Store:
    """Open the store at `place`, an absolute path. Raises IndexProblem if it is missing and `create` is False."""
    from imgret.store.sqlite.sqlite_store import SqliteStore

    return SqliteStore(place, create=create)


def writer_lock(
    place: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> AbstractContextManager[None]:
    """Return a context manager that holds the lock of the one process that may index into the store at `place`.

    Entering it waits up to `wait` seconds, then raises IndexBusy. `waiting` is called once with the name of the holder.
    """
    from imgret.store.sqlite.locks import writer_lock as sqlite_lock

    return sqlite_lock(place, wait=wait, waiting=waiting)


def watch_file(place: str) -> FileWatch:
    """Return a watch that detects if the open store at `place` is replaced, overwritten or removed. Raises OSError."""
    from imgret.store.sqlite.identity import Watch

    return Watch(place)


def restore(place: str, source: str) -> str | None:
    """Replace the store at `place` by the backup `source`. Return the new path of the previous store, or None.

    The caller holds `writer_lock`, or a daemon is running, which detects the change. Raises IndexProblem, and changes
    nothing, if the backup is missing, damaged, not an index, or of a later version.
    """
    from imgret.store.sqlite.restore import restore as put_in_place

    return put_in_place(place, source)
