"""Connect to an index file wherever it lies: on an ordinary disk, a read-only one, or a full one.

SQLite in WAL mode keeps two files beside the index, `-wal` and `-shm`. A disk that takes no new file has no
room for them; an index that is only read is opened without them then, but never in a way that hides what
a `-wal` holds.
"""

from __future__ import annotations

import os
from urllib.parse import quote

import apsw

from imgret.errors import DiskFull, ImgretError, IndexProblem, ReadOnly
from imgret.store.sqlite import sql_functions
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, problem

CACHE_KIB = 16 << 10  # of each connection. No mmap: a page that cannot be read would end the process (SIGBUS)


def connect(path: str) -> tuple[apsw.Connection, ImgretError | None]:
    """The connection, and why nothing can be written through it (None where it can).

    Raises apsw.Error and OSError, and IndexProblem where the latest changes cannot be read.
    """
    folder = os.path.dirname(path) or "."
    if not (os.access(path, os.W_OK) and os.access(folder, os.W_OK)):
        return _read_only(path), ReadOnly(f"{path} cannot be written")
    try:
        return _opened(path), None
    except apsw.Error as error:
        reason = problem(error, path)
        if not isinstance(reason, DiskFull):
            raise
    return _on_a_full_disk(path, reason), reason


def has_wal(path: str) -> bool:
    """Does a write-ahead log with anything in it lie beside the index?"""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except OSError:
        return False


def load_extension(db: apsw.Connection) -> apsw.Connection:
    """Make sqlite-vec's tables known to a connection."""
    import sqlite_vec

    db.enable_load_extension(enable=True)
    db.load_extension(sqlite_vec.loadable_path())
    db.enable_load_extension(enable=False)
    return db


def _read_only(path: str) -> apsw.Connection:
    try:
        # Uses a `-shm` that is there already, which a process that was killed leaves beside its `-wal`.
        return _opened(path, "mode=ro")
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError):
        if has_wal(path):
            raise IndexProblem(
                f"the latest changes of {path} lie in its -wal file, which cannot be read on a disk or in a folder"
                " that cannot be written",
                "Make the folder writable, or copy index.db and index.db-wal together to one that is.",
            ) from None
    return _opened(path, "immutable=1")


def _on_a_full_disk(path: str, reason: ImgretError) -> apsw.Connection:
    """With the `-shm` in this process's memory: others wait meanwhile, so it is to be closed soon."""
    try:
        return _opened(path, exclusive=True)
    except apsw.Error as error:
        # Where no `-wal` can be made, nobody else can write either.
        if has_wal(path) or not isinstance(problem(error, path), DiskFull):
            raise
    try:
        return _opened(path, "immutable=1")
    except apsw.Error:
        raise reason from None


def _opened(path: str, options: str = "", *, exclusive: bool = False) -> apsw.Connection:
    """A connection that has read the file once: what cannot be opened is known by then."""
    if options:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        db = apsw.Connection(f"file:{quote(path)}?{options}", flags=flags)
    else:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        db.set_busy_timeout(int(BUSY_SECONDS * 1000))
        if exclusive:
            db.pragma("locking_mode", "EXCLUSIVE")
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        sql_functions.register(db)
        return load_extension(db)
    except BaseException:
        db.close()
        raise
