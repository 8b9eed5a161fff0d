"""Open the store that a name means. The engine is imported only then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgret.store.interface import FileWatch, Store

__all__ = ["open_store", "restore", "watch_file", "writer_lock"]


def open_store(place: str, *, create: bool = True) -> Store:
    """The store at `place`, an absolute path. Without `create`, a missing one is an IndexProblem."""
    from imgret.store.sqlite.sqlite_store import SqliteStore

    return SqliteStore(place, create=create)


def writer_lock(
    place: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> AbstractContextManager[None]:
    """Be the one process that indexes into the store at `place`.

    Waits up to `wait` seconds, then raises IndexBusy. `waiting` is called once with a sentence that names the holder.
    """
    from imgret.store.sqlite.locks import writer_lock as sqlite_lock

    return sqlite_lock(place, wait=wait, waiting=waiting)


def watch_file(place: str) -> FileWatch:
    """Notices when the store at `place`, which is open, is replaced, overwritten or removed. Raises OSError."""
    from imgret.store.sqlite.identity import Watch

    return Watch(place)


def restore(place: str, source: str) -> str | None:
    """Put the backup `source` in the place of the store. Returns the path of the previous store.

    The caller holds `writer_lock`, or knows that a daemon is running, which notices it. A backup that is
    missing, damaged, no index or of a later version is an IndexProblem, and nothing is changed.
    """
    from imgret.store.sqlite.restore import restore as put_in_place

    return put_in_place(place, source)
