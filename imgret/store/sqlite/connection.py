"""Open the index: one place for pragmas, the sqlite-vec extension, transactions and their errors.

Opened through apsw, because many CPythons are built without `enable_load_extension`. One `Index` is
one connection and belongs to one thread; open another for another thread, it is cheap. `reading()`
is a short snapshot, `writing()` a `BEGIN IMMEDIATE` transaction: both nest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import apsw

from imgret.errors import IndexProblem, IndexReplaced, ReadOnly
from imgret.store.sqlite import file_ids, identity, opening
from imgret.store.sqlite.locks import preparing, writer
from imgret.store.sqlite.migrate import migrate, migrations, version
from imgret.store.sqlite.sqlite_errors import explained, reading

__all__ = ["Connection", "explained", "writer"]


class Connection:
    """An open index file. Every method of this folder's modules takes one as its first argument."""

    def __init__(self, path: str, *, create: bool = True) -> None:
        """Open `path`, migrating it if need be. Without `create`, a missing file is an IndexProblem."""
        self.path = path
        if not create and not os.path.exists(path):
            raise IndexProblem(f"there is no index at {path}", "Run `imgret index FOLDER` first.")
        if os.path.exists(path) and not os.path.isfile(path):
            raise IndexProblem(f"{path} is not a file", "Name another place with IMGRET_INDEX.")
        with explained(path):
            if create:
                _make_private(path)
            replaced = identity.set_foreign_wal_aside(path)
            self._file: file_ids.FileId | None = file_ids.hold(path)
            try:
                self.db, self.refusal = opening.connect(path)
            except BaseException:
                file_ids.release(self._file)
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
            if db.pragma("journal_mode") != "wal":  # a backup that was put here
                with preparing(self.path):
                    db.pragma("journal_mode", "wal")
        elif version(db) != migrations()[-1].version:
            if isinstance(self.refusal, ReadOnly):
                raise ReadOnly(f"{self.path} needs an update of its schema, but cannot be written")
            raise self.refusal
        db.pragma("synchronous", "NORMAL")
        db.pragma("foreign_keys", "on")
        db.pragma("cache_size", -opening.CACHE_KIB)
        db.pragma("temp_store", "MEMORY")
        db.pragma("journal_size_limit", 64 << 20)

    @property
    def writable(self) -> bool:
        """Can it be written to? Where it cannot, `refusal` says why."""
        return self.refusal is None

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
    def writing(self, *, durable: bool = False) -> Iterator[apsw.Connection]:
        """All or nothing. Inside another `writing()` it joins that transaction.

        `durable`: on the disk when it returns, a power cut right after it notwithstanding. For what a user
        wrote; everything else can be made again. It is a property of the outermost transaction.
        """
        with explained(self.path):
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

    def _transaction(self) -> Iterator[apsw.Connection]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            if self.db.in_transaction:  # a full disk has already rolled back by itself
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def _check_writable(self) -> None:
        """Nothing is to be written into a file that cannot be written, or that nobody can find any more."""
        if self.refusal is not None:
            raise self.refusal
        try:
            if file_ids.file_id(self.path) == self._file:
                return
        except FileNotFoundError:
            pass
        raise IndexReplaced(f"{self.path} was replaced or removed while this program used it")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one by one; the columns' types are the schema's."""
        with reading(self.path):
            yield from self.db.execute(sql, values)

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with reading(self.path):
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

    def change_token(self) -> tuple[int, int]:
        """Another value whenever something was committed, by this connection or another."""
        with explained(self.path):
            return int(self.db.pragma("data_version")), self.db.total_changes()

    def checkpoint(self) -> bool:
        """Fold the write-ahead log into the file and give back its room. False, and nothing, while others read."""
        with explained(self.path):
            try:
                self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
        return True

    def problems(self) -> list[str]:
        """What SQLite's own checks find wrong: an empty list for a sound file."""
        with explained(self.path):
            found = [str(row[0]) for row in self.db.execute("PRAGMA integrity_check")]
            for table, row, *_ in self.db.execute("PRAGMA foreign_key_check"):
                found.append(f"{table}: row {row} hangs in the air")
        return [line for line in found if line != "ok"]

    def close(self) -> None:
        """Close the connection; idempotent."""
        if self._file is None:
            return
        self.db.close()
        file_ids.release(self._file)
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make_private(path: str) -> None:
    """The file exists and is ours alone before SQLite writes into it (side files take its mode)."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
