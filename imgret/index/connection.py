"""Open the index: one place for pragmas, the sqlite-vec extension, transactions and their errors.

Opened through apsw, because many CPythons are built without `enable_load_extension`. One `Index` is
one connection and belongs to one thread; open another for another thread, it is cheap. `reading()`
is a short snapshot, `writing()` a `BEGIN IMMEDIATE` transaction: both nest.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import apsw

from imgret.errors import DiskFull, IndexBusy, IndexProblem, ReadOnly
from imgret.index import fold
from imgret.index.migrate import APPLICATION_ID, migrate, migrations, version

BUSY_SECONDS = 30.0  # our transactions are short; only a stopped process holds the lock for longer
MMAP_BYTES = 1 << 36  # address space, not memory: reads come straight from the page cache


class Index:
    """An open index file. Every method of this folder's modules takes one as its first argument."""

    def __init__(self, path: str, *, create: bool = True) -> None:
        """Open `path`, migrating it if need be. Without `create`, a missing file is an IndexProblem."""
        self.path = path
        if not create and not os.path.exists(path):
            raise IndexProblem(f"there is no index at {path}", "Run `imgret index FOLDER` first.")
        with explained(path):
            if create:
                _make_private(path)
            self.db = _connect(path)
            try:
                self._prepare()
            except BaseException:
                self.db.close()
                raise

    def _prepare(self) -> None:
        db = self.db
        if not os.access(self.path, os.W_OK) or db.readonly("main"):
            if version(db) != migrations()[-1].version:
                raise ReadOnly(f"{self.path} needs an update of its schema, but cannot be written")
            self.writable = False
        else:
            self.writable = True
            if version(db) == 0:
                db.pragma("page_size", 8192)
                db.pragma("auto_vacuum", "INCREMENTAL")
                db.pragma("application_id", APPLICATION_ID)
            db.pragma("journal_mode", "wal")
            migrate(db)
        db.pragma("synchronous", "NORMAL")
        db.pragma("foreign_keys", "on")
        db.pragma("mmap_size", MMAP_BYTES)
        db.pragma("temp_store", "MEMORY")
        db.pragma("journal_size_limit", 64 << 20)

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A snapshot: everything read inside is of one moment. Keep it short, or the WAL grows."""
        with explained(self.path):
            if self.db.in_transaction:
                yield self.db
                return
            self.db.execute("BEGIN")
            try:
                yield self.db
            finally:
                if self.db.in_transaction:
                    self.db.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """All or nothing. Inside another `writing()` it joins that transaction."""
        with explained(self.path):
            if self.db.in_transaction:
                yield self.db
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:
                if self.db.in_transaction:  # a full disk has already rolled back by itself
                    self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one by one; the columns' types are the schema's."""
        return iter(self.db.execute(sql, values))

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        return self.db.execute(sql, values).fetchone()

    def setting(self, key: str) -> str | None:
        """A small fact that the index remembers of itself."""
        row = self.row("SELECT value FROM setting WHERE key = ?", (key,))
        return str(row[0]) if row else None

    def remember(self, key: str, value: str | None) -> None:
        """Keep a small fact; `None` forgets it."""
        with self.writing() as db:
            if value is None:
                db.execute("DELETE FROM setting WHERE key = ?", (key,))
            else:
                db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value))

    def data_version(self) -> int:
        """Another number whenever another connection has committed; costs microseconds."""
        with explained(self.path):
            return int(self.db.pragma("data_version"))

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file and give back its room. Does nothing while others read."""
        with contextlib.suppress(apsw.BusyError), explained(self.path):
            self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def problems(self) -> list[str]:
        """What SQLite's own checks find wrong: an empty list for a sound file."""
        with explained(self.path):
            found = [str(row[0]) for row in self.db.execute("PRAGMA integrity_check")]
            for table, row, *_ in self.db.execute("PRAGMA foreign_key_check"):
                found.append(f"{table}: row {row} hangs in the air")
        return [line for line in found if line != "ok"]

    def close(self) -> None:
        """Close the connection; idempotent."""
        self.db.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def writer(path: str, *, wait: float = 0.0, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of the one process that indexes into `path`.

    Waits up to `wait` seconds (`waiting` is told once who holds it), then raises IndexBusy. The kernel
    drops the lock with the process, so a crash leaves nothing to clean up.
    """
    lock = f"{path}.lock"
    with explained(path):
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline, told = time.monotonic() + wait, False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(fd, 64, 0).decode("ascii", "replace").strip() or "another process"
                if time.monotonic() >= deadline:
                    raise IndexBusy(f"{holder} is writing to {path}") from None
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
def explained(path: str) -> Iterator[None]:
    """Turn SQLite's and the system's errors about the file at `path` into ours."""
    try:
        yield
    except apsw.FullError:
        raise DiskFull(f"the disk that holds {path} is full") from None
    except apsw.ReadOnlyError:
        raise ReadOnly(f"{path} cannot be written") from None
    except apsw.BusyError:
        raise IndexBusy(f"{path} was locked by another process for {BUSY_SECONDS:.0f} s") from None
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise IndexProblem(
            f"{path} is damaged or not an SQLite file ({error})",
            "Keep it, restore a backup in its place, or move it away and index again.",
        ) from None
    except (apsw.CantOpenError, apsw.IOError, apsw.PermissionsError) as error:
        if _is_full(path):
            raise DiskFull(f"the disk that holds {path} is full") from None
        raise IndexProblem(f"{path} cannot be used: {error}", "Check the disk and its permissions.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"the disk that holds {path} is full") from None
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise ReadOnly(f"{error.filename or path} cannot be written: {error.strerror}") from None
        raise


def _connect(path: str) -> apsw.Connection:
    folder = os.path.dirname(path) or "."
    if os.access(path, os.W_OK) and os.access(folder, os.W_OK):
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    else:
        # WAL needs its side files, which a folder that cannot be written cannot hold.
        from urllib.parse import quote

        immutable = "" if os.access(folder, os.W_OK) else "?immutable=1"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        db = apsw.Connection(f"file:{quote(path)}{immutable}", flags=flags)
    db.set_busy_timeout(int(BUSY_SECONDS * 1000))
    db.enable_load_extension(enable=True)
    import sqlite_vec

    db.load_extension(sqlite_vec.loadable_path())
    db.enable_load_extension(enable=False)
    fold.register(db)
    return db


def _make_private(path: str) -> None:
    """The file exists and is ours alone before SQLite writes into it (side files take its mode)."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))


def _is_full(path: str) -> bool:
    try:
        room = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < 1 << 20
