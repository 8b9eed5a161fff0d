"""A session of a server that is opened again when it was lost, and what a transaction in it has read and has still to write."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from imgret.errors import ImgretError, IndexProblem
from imgret.store.postgres import pg_address, pg_migrate
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_begin import Locks
from imgret.store.postgres.pg_errors import translated_errors
from imgret.store.postgres.pg_pending import Pending


class Session:
    """The connection to a library."""

    def __init__(self, place: str, *, create: bool = True) -> None:
        """Connect to `place` and migrate it if necessary. Raises IndexProblem for a missing library without `create`."""
        self.path = place
        self.refusal: ImgretError | None = None
        self.pending = Pending()
        self._closed = False
        self._begun = 0  # transactions
        with translated_errors(place):
            self.db = self._connected()
            try:
                self.refusal = pg_migrate.prepare(self.db, place, create=create)
                self._locks = Locks(self.db)
            except BaseException:
                self.db.close()
                raise

    @property
    def writable(self) -> bool:
        """Return whether the library can be written; if not, `refusal` is the reason."""
        return self.refusal is None

    @property
    def in_transaction(self) -> bool:
        """Return whether `reading()` or `writing()` is going on."""
        pgconn = self.db.pgconn  # read for each row that is saved: `Connection.info` takes ten times as long
        return pgconn.status == ConnStatus.OK and pgconn.transaction_status != TransactionStatus.IDLE

    @property
    def transaction(self) -> int | None:
        """Return a number of the transaction that is going on; None outside one."""
        return self._begun if self.in_transaction else None

    def close(self) -> None:
        """Close the connection; closing it again has no effect."""
        self._closed = True
        self.db.close()

    def give_way(self) -> None:
        """Do nothing: the server gives the lock to those who wait in the order of their coming."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _before_statement(self) -> None:
        """Prepare for a statement that may read or change anything."""
        raise NotImplementedError

    def _first(self, sql: bytes) -> psycopg.Cursor[Any]:
        """Begin a transaction, and return the results; once more if the connection turns out to be lost."""
        self._begun += 1
        self._connect_again_if_lost()
        try:
            try:
                return self._simple(sql)
            except psycopg.OperationalError:
                if not self.db.closed:
                    raise
            self._connect_again_if_lost()
            return self._simple(sql)
        except BaseException:
            self._undo()
            raise

    def _connect_again_if_lost(self) -> None:
        if self._closed:
            raise IndexProblem(f"{self.path} was closed")
        if self.db.closed:
            self.db = self._connected()
            self.refusal = pg_migrate.prepare(self.db, self.path, create=False)

    def _connected(self) -> Database:
        db = pg_address.connect(self.path)
        db.before_statement = self._before_statement
        return db

    def _end(self) -> None:
        """End a transaction that only read, if the connection is still there."""
        if not self.db.closed and self.in_transaction:
            with contextlib.suppress(psycopg.OperationalError):
                self._simple(b"COMMIT")

    def _undo(self) -> None:
        """Undo a transaction, if the connection is still there.

        Not by a statement: `rollback` lets psycopg forget what it has prepared. What it sent after a statement that
        failed, it takes for prepared.
        """
        if not self.db.closed:
            with contextlib.suppress(psycopg.OperationalError):
                self.db.rollback()

    def _simple(self, sql: bytes) -> psycopg.Cursor[Any]:
        """Execute one or more statements in one round trip. The cursor has the result of the first."""
        return psycopg.Cursor(self.db).execute(sql)
