"""Connect to an index file on an ordinary, a read-only or a full disk.

In WAL mode, SQLite needs two files beside the index, `-wal` and `-shm`. If they cannot be created, the index is
opened for reading without them, unless that would ignore changes in an existing `-wal`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import apsw

from imgret.errors import DiskFull, ImgretError, IndexProblem, ReadOnly
from imgret.store.fold import encodable
from imgret.store.sqlite import sql_functions
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, problem

# For each connection. No mmap is used: an unreadable page would kill the process with SIGBUS.
CACHE_KIB = 16 << 10


class _Database(apsw.Connection):
    """A connection that replaces what UTF-8 cannot encode: messages name paths, which may have such bytes."""

    def execute(self, statements: str, bindings: apsw.Bindings | None = None, **options: Any) -> apsw.Cursor:
        """Execute SQL; see `apsw.Connection.execute`. A lone surrogate in a text becomes U+FFFD."""
        try:
            return super().execute(statements, bindings, **options)
        except UnicodeEncodeError:
            if not isinstance(bindings, Sequence):
                raise
            plain = [encodable(value) if isinstance(value, str) else value for value in bindings]
            return super().execute(statements, plain, **options)


def connect(path: str) -> tuple[apsw.Connection, ImgretError | None]:
    """Return a connection, and the reason why it is read-only (None if it is writable).

    Raises apsw.Error and OSError, and IndexProblem if the latest changes cannot be read.
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
    """Return whether there is a non-empty write-ahead log beside the index."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except OSError:
        return False


def load_extension(db: apsw.Connection) -> apsw.Connection:
    """Load the sqlite-vec extension into a connection and return it."""
    import sqlite_vec

    db.enable_load_extension(enable=True)
    db.load_extension(sqlite_vec.loadable_path())
    db.enable_load_extension(enable=False)
    return db


def _read_only(path: str) -> apsw.Connection:
    try:
        # This works if there is a `-shm`, which a killed process leaves behind with its `-wal`.
        return _opened(path, "mode=ro")
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError):
        if has_wal(path):
            raise IndexProblem(
                f"the latest changes of {path} are in its -wal file, which SQLite cannot read because the disk or"
                " the folder cannot be written",
                "Make the folder writable, or copy index.db and index.db-wal together to one that is.",
            ) from None
    return _opened(path, "immutable=1")


def _on_a_full_disk(path: str, reason: ImgretError) -> apsw.Connection:
    """Connect with the `-shm` in memory. Other processes are locked out, so close the connection soon."""
    try:
        return _opened(path, exclusive=True)
    except apsw.Error as error:
        # If no `-wal` can be created, no other process can write either.
        if has_wal(path) or not isinstance(problem(error, path), DiskFull):
            raise
    try:
        return _opened(path, "immutable=1")
    except apsw.Error:
        raise reason from None


def _opened(path: str, options: str = "", *, exclusive: bool = False) -> apsw.Connection:
    """Return a connection after reading the file once, because SQLite reports errors only then."""
    if options:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        db = _Database(f"file:{quote(path)}?{options}", flags=flags)
    else:
        db = _Database(path, flags=apsw.SQLITE_OPEN_READWRITE)
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
