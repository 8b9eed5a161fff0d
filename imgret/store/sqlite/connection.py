"""Connections to an index file: pragmas, the sqlite-vec extension, transactions and their errors.

Uses apsw, because many builds of CPython lack `enable_load_extension`. A `Connection` belongs to one thread; opening
another one for another thread is cheap. `reading()` is a short read transaction, `writing()` a `BEGIN IMMEDIATE`
transaction; both can be nested.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import apsw

from imgret.errors import IndexMissing, IndexProblem, IndexReplaced, ReadOnly
from imgret.store.fold import encodable
from imgret.store.read_ahead import ReadAhead
from imgret.store.sqlite import file_ids, identity, opening
from imgret.store.sqlite.locks import preparation_lock
from imgret.store.sqlite.migrate import migrate, migrations, version
from imgret.store.sqlite.sqlite_dialect import DIALECT
from imgret.store.sqlite.sqlite_errors import (
    BUSY_SECONDS,
    damaged,
    translated_errors,
    translated_read_errors,
)

__all__ = ["Connection", "translated_errors"]

T = TypeVar("T")

CHECKPOINT_MS = 1000  # longer than most reads
GAP, GAP_AFTER = 0.05, 0.25  # seconds in which others may write, and for how long others cannot
TOGETHER = 25  # contents that are read at once: about as many as a search shows


class Connection:
    """An open index file. The classes of the other modules in this package take one as their first argument."""

    def __init__(self, path: str, *, create: bool = True) -> None:
        """Open `path` and migrate it if necessary. Raises IndexProblem for a missing file without `create`."""
        self.path = path
        self._gave_way = time.monotonic()
        self.dialect = DIALECT
        self._ahead = ReadAhead(self._rows_of_all, TOGETHER)
        self._snapshot = False  # a `reading()` is open that nothing was written in
        if encodable(path) != path:
            raise IndexProblem(
                f"{path} has a name that is not UTF-8, which SQLite cannot open",
                "Name another place with IMGRET_INDEX.",
            )
        if not create and not os.path.exists(path):
            raise IndexMissing(f"there is no index at {path}")
        if os.path.exists(path) and not os.path.isfile(path):
            raise IndexProblem(f"{path} is not a file", "Name another place with IMGRET_INDEX.")
        if identity.was_emptied(path):
            raise damaged(path, "all of its content was lost")
        with translated_errors(path):
            with file_ids.opening:
                if create:
                    _make_private(path)
                replaced = identity.set_foreign_wal_aside(path)
                self._file: file_ids.FileId | None = file_ids.register(path)
            try:
                self.db, self.refusal = opening.connect(path)
            except BaseException:
                file_ids.unregister(self._file)
                raise
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise
        if replaced:
            identity.adopt(self)

    def _prepare(self) -> None:
        db = self.db
        if self.refusal is None:
            self._check_writable()
            migrate(db)
            if db.pragma("journal_mode") != "wal":  # a backup was copied here
                with preparation_lock(self.path):
                    db.pragma("journal_mode", "wal")
        elif version(db) != migrations()[-1].version:
            if isinstance(self.refusal, ReadOnly):
                raise ReadOnly(f"the schema of {self.path} must be updated, but the file cannot be written")
            raise self.refusal
        db.pragma("synchronous", "NORMAL")
        db.pragma("foreign_keys", "on")
        db.pragma("cache_size", -opening.CACHE_KIB)
        db.pragma("temp_store", "MEMORY")
        db.pragma("journal_size_limit", 64 << 20)

    @property
    def writable(self) -> bool:
        """Return whether the file can be written; if not, `refusal` is the reason."""
        return self.refusal is None

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Run a read transaction: all queries inside see the same state. Keep it short, or the WAL grows."""
        with translated_errors(self.path):
            if self.db.in_transaction:
                yield self.db
                return
            self.db.execute("BEGIN")
            self._snapshot = True
            try:
                yield self.db
            finally:
                self._end_snapshot()
                if self.db.in_transaction:
                    self.db.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[apsw.Connection]:
        """Run a write transaction, rolled back on any exception. Inside another `writing()` it joins that one.

        `durable`: the commit survives a power failure. Used for text that a user wrote; everything else can be
        computed again. Only the value for the outermost transaction counts.
        """
        with translated_errors(self.path):
            self._end_snapshot()
            if self.db.in_transaction:
                yield self.db
                return
            self._check_writable()
            if durable:
                self.db.pragma("synchronous", "FULL")
            try:
                yield from self._transaction()
            finally:
                if durable:
                    self.db.pragma("synchronous", "NORMAL")

    def give_way(self) -> None:
        """Wait a moment outside a transaction: who waits for the lock tries again after up to 100 ms, and in no order."""
        if not self.db.in_transaction and time.monotonic() - self._gave_way > GAP_AFTER:
            time.sleep(GAP)
            self._gave_way = time.monotonic()

    def changing(self, contents: Collection[int], job: Callable[[], T]) -> T:  # noqa: ARG002 - others wait all the same
        """See `interface.store.Store`."""
        with self.writing():
            return job()

    def _transaction(self) -> Iterator[apsw.Connection]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            # If this fails, the transaction may still be open. It is undone, or all later ones would join it.
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:  # false if SQLite has rolled back itself, as on a full disk
                self.db.execute("ROLLBACK")
            raise

    def _check_writable(self) -> None:
        """Raise `refusal` if the file cannot be written, IndexReplaced if its path names another file now."""
        if self.refusal is not None:
            raise self.refusal
        try:
            if file_ids.file_id(self.path) == self._file:
                return
        except FileNotFoundError:
            pass
        raise IndexReplaced(f"{self.path} was replaced or removed while this program used it")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; the types of the columns are those of the schema."""
        with translated_read_errors(self.path):
            yield from self.db.execute(sql, values)

    kept_rows = rows  # a statement costs microseconds

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        with translated_read_errors(self.path):
            return self.db.execute(sql, values).fetchone()

    def expect(self, contents: Collection[int]) -> None:
        """These contents are read next, one by one; see `interface.store.Store`. Without effect in a transaction that writes."""
        if self._snapshot:
            self._ahead.expect(contents)

    def rows_of(self, sql: str, content: int, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a content; see `ReadAhead.rows`. The list of contents is the table `carray(?)`."""
        return self._ahead.rows(sql, content, values)

    def rows_before(self, sql: str, content: int, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do the same: nothing that was saved is still to be written."""
        return self.rows_of(sql, content, values)

    def fixed_rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return list(self.rows(sql, values))

    def _rows_of_all(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        contents, *others = values
        return self.rows(sql, (self.dialect.numbers(contents), *others))

    def _end_snapshot(self) -> None:
        """Forget what was read ahead: it may change from now on."""
        if self._snapshot:
            self._snapshot = False
            self._ahead.expect(())

    def setting(self, key: str) -> str | None:
        """Return the value of a setting stored in the index; None if it is not set."""
        row = self.row("SELECT value FROM setting WHERE key = ?", (key,))
        return str(row[0]) if row else None

    def remember(self, key: str, value: str | None) -> None:
        """Store a setting in the index; `None` deletes it."""
        with self.writing() as db:
            if value is None:
                db.execute("DELETE FROM setting WHERE key = ?", (key,))
            else:
                db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value))

    def data_version(self) -> int:
        """Return a number that changes whenever another connection commits; takes microseconds."""
        with translated_errors(self.path):
            return int(self.db.pragma("data_version"))

    def change_token(self) -> tuple[int, int]:
        """Return a value that changes whenever this or another connection commits."""
        with translated_errors(self.path):
            return int(self.db.pragma("data_version")), self.db.total_changes()

    def checkpoint(self) -> bool:
        """Write the write-ahead log into the file and truncate it. Returns False, doing nothing, while others read."""
        with translated_errors(self.path):
            # While this waits for a reader, no transaction can write, so the wait must be shorter than that of a transaction.
            self.db.set_busy_timeout(CHECKPOINT_MS)
            try:
                self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            finally:
                self.db.set_busy_timeout(int(BUSY_SECONDS * 1000))
        return True

    def problems(self) -> list[str]:
        """Return the errors found by SQLite's integrity checks: an empty list for an intact file."""
        with translated_errors(self.path):
            found = [str(row[0]) for row in self.db.execute("PRAGMA integrity_check")]
            for table, row, *_ in self.db.execute("PRAGMA foreign_key_check"):
                found.append(f"{table}: row {row} refers to a row that does not exist")
        return [line for line in found if line != "ok"]

    def close(self) -> None:
        """Close the connection; closing it again has no effect."""
        if self._file is None:
            return
        self.db.close()
        file_ids.unregister(self._file)
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make_private(path: str) -> None:
    """Create the file with mode 0600 before SQLite opens it, which gives `-wal` and `-shm` the same mode."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
