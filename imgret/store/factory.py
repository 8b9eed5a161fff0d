"""Opens the store at a place. The engine is imported only when it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from imgret.errors import IndexMissing, IndexProblem, UsageError
from imgret.places import is_server
from imgret.store.policy import COPYING

if TYPE_CHECKING:
    from imgret.store.interface import Changes, FileWatch, Store
    from imgret.store.interface.overview import Facets
    from imgret.store.postgres.postgres_store import PostgresStore

__all__ = [
    "changes",
    "discard",
    "exists",
    "open_facets",
    "open_store",
    "restore",
    "server_lacks",
    "watch_file",
    "writer_lock",
]


def exists(place: str) -> bool:
    """Return whether there is a store at `place`. Raises IndexProblem if its server cannot be reached."""
    if not _is_address(place):
        return os.path.exists(place)
    try:
        open_store(place, create=False).close()
    except IndexMissing:
        return False
    return True


def open_store(place: str, *, create: bool = True, unfinished: bool = False) -> Store:
    """Open the store at `place`: an absolute path, or the address of a PostgreSQL database.

    Raises IndexMissing if it is missing and `create` is False, and IndexProblem if it is a part of a copy, except with
    `unfinished`.
    """
    store = _opened(place, create=create)
    try:
        if not unfinished and store.setting(COPYING):
            raise IndexProblem(
                f"{place} is a copy that is not finished",
                "Run the same `imgret copy-index` again: it continues. With --discard, the copy is removed.",
            )
    except BaseException:
        store.close()
        raise
    return store


def _is_address(place: str) -> bool:
    """Return whether `place` is the address of a database. Raises UsageError for one of another kind."""
    if "://" in place and not is_server(place):
        raise UsageError(
            f"{place} is no address of an index",
            "It begins with postgresql://; anything without :// is a file.",
        )
    return is_server(place)


def _opened(place: str, *, create: bool) -> Store:
    if _is_address(place):
        return _postgres()(place, create=create)
    from imgret.store.sqlite.sqlite_store import SqliteStore

    return SqliteStore(place, create=create)


@contextmanager
def open_facets(place: str) -> Iterator[Facets]:
    """Open only the facets of the store at `place`, for reading: of a SQLite file, without its extension and checks.

    Raises IndexProblem. A file of another version may lack what is read.
    """
    if _is_address(place):
        with open_store(place, create=False) as store:
            yield store.facets
        return
    from imgret.store.sqlite.facet_reader import facets_of

    with facets_of(place) as facets:
        yield facets


def writer_lock(
    place: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> AbstractContextManager[None]:
    """Return a context manager that holds the lock of the one process that may index into the store at `place`.

    For a PostgreSQL database it is the one process of this user on this host: several hosts may index at the same time.
    Entering it waits up to `wait` seconds, then raises IndexBusy. `waiting` is called once with the name of the holder.
    """
    if _is_address(place):
        from imgret.store.postgres.host_lock import writer_lock as host_lock

        return host_lock(place, wait=wait, waiting=waiting)
    from imgret.store.sqlite.locks import writer_lock as sqlite_lock

    return sqlite_lock(place, wait=wait, waiting=waiting)


def watch_file(place: str) -> FileWatch:
    """Return a watch that detects if the open store at `place` is replaced, overwritten or removed. Raises OSError."""
    if _is_address(place):
        from imgret.store.postgres.library_watch import LibraryWatch

        return LibraryWatch()
    from imgret.store.sqlite.identity import Watch

    return Watch(place)


def changes(place: str) -> Changes | None:
    """Return what notices the commits of other hosts; None for a file, whose `data_version` costs next to nothing.

    Raises ImgretError if the server cannot be reached.
    """
    if not _is_address(place):
        return None
    from imgret.store.postgres.pg_changes import PgChanges

    return PgChanges(place)


def server_lacks(place: str) -> list[str]:
    """Return what the server of `place` lacks, in sentences with SQL for its administrator; nothing for a file.

    Raises ImgretError if the server cannot be reached.
    """
    if not _is_address(place):
        return []
    _postgres()
    from imgret.store.postgres.pg_diagnosis import lacks

    return lacks(place)


def discard(place: str) -> None:
    """Remove the unfinished copy at `place`. The caller holds `writer_lock`.

    Raises IndexMissing where nothing is, and IndexProblem, and removes nothing, where there is a whole index.
    """
    with open_store(place, create=False, unfinished=True) as store:
        if not store.setting(COPYING):
            raise IndexProblem(f"{place} is no unfinished copy", "Nothing was removed.")
    if _is_address(place):
        from imgret.store.postgres.pg_transfer import remove as remove_library

        remove_library(place)
    else:
        from imgret.store.sqlite.row_transfer import remove as remove_file

        remove_file(place)


def restore(place: str, source: str) -> str | None:
    """Replace the store at `place` by the backup `source`. Return the new path of the previous store, or None.

    The caller holds `writer_lock`, or a daemon is running, which detects the change. Raises IndexProblem, and changes
    nothing, if the backup is missing, damaged, not an index, or of a later version.
    """
    if _is_address(place):
        raise IndexProblem(
            f"{place} is no file that a backup could replace", "Use `pg_restore` on the server."
        )
    from imgret.store.sqlite.restore import restore as put_in_place

    return put_in_place(place, source)


def _postgres() -> type[PostgresStore]:
    try:
        from imgret.store.postgres.postgres_store import PostgresStore
    except ImportError as error:
        raise IndexProblem(
            f"an index on a PostgreSQL server needs a package that is not installed: {error.name}",
            "Install imgret[postgres].",
        ) from None
    return PostgresStore
