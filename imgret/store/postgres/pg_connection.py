"""A connection to a library: transactions, snapshots, settings, and a new connection after the server was away.

Transactions that write take an advisory lock of the library first, so they come one after the other, also those of
other hosts. Ids and the counter `change` therefore grow in the order of commits. Claims of work are the exception: they
add no rows, and nobody reads them in the order of commits, so they only lock the rows that they change (`claiming`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from imgret.errors import ImgretError, IndexProblem
from imgret.store.postgres import pg_address, pg_migrate, pg_settings
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_begin import CLAIMING, begin_sql, check_version
from imgret.store.postgres.pg_dialect import DIALECT
from imgret.store.postgres.pg_errors import translated_errors
from imgret.store.postgres.pg_pending import Pending
from imgret.store.read_ahead import ReadAhead

TOGETHER = 200  # contents that are read at once: a round trip costs more than rows that are not needed


class Connection:
    """An open library. The classes of the other modules in this package take one as their first argument."""

    def __init__(self, place: str, *, create: bool = True) -> None:
        """Connect to `place` and migrate it if necessary. Raises IndexProblem for a missing library without `create`."""
        self.path = place
        self.dialect = DIALECT
        self.refusal: ImgretError | None = None
        self._commits = 0  # of this connection
        self._closed = False
        self._begun = 0  # transactions
        self.pending = Pending()
        self._ahead = ReadAhead(self.rows, TOGETHER)
        self._flushes: list[tuple[Callable[[], None], Callable[[], None]]] = []
        with translated_errors(place):
            self.db = self._connected()
            try:
                self.refusal = pg_migrate.prepare(self.db, place, create=create)
                self._lock = begin_sql(self.db)
            except BaseException:
                self.db.close()
                raise

    @property
    def writable(self) -> bool:
        """Return whether the library can be written; if not, `refusal` is the reason."""
        return self.refusal is None

    def at_commit(self, flush: Callable[[], None], forget: Callable[[], None]) -> None:
        """Call `flush` before the commit of each transaction that writes, and `forget` where it is undone, even by the commit."""
        self._flushes.append((flush, forget))

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """Run a read transaction: all queries inside see the same state."""
        with translated_errors(self.path):
            if self.in_transaction:
                yield self.db
                return
            self._first(b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                yield self.db
            finally:
                self._ahead.expect(())
                self._end(b"COMMIT")

    @contextlib.contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Database]:
        """Run a write transaction, undone on any exception. Inside another `writing()` it joins that one."""
        with translated_errors(self.path):
            if self.in_transaction:
                yield self.db
                return
            if self.refusal is not None:
                raise self.refusal
            begun = self._first(self._lock % (b"on" if durable else b"off"))
            try:
                check_version(begun, self.path)
                yield self.db
                self.pending.write(self.db)
                for flush, _ in self._flushes:
                    flush()
                self._commit()
            except BaseException:
                self.pending.forget()
                for _, forget in self._flushes:
                    forget()
                self._end(b"ROLLBACK")
                raise
            finally:
                self._ahead.expect(())

    @contextlib.contextmanager
    def claiming(self) -> Iterator[Database]:
        """Run a transaction beside those of `writing()`, which does not count as a change. Inside one, it joins that.

        It must wait for nothing while it has locked something (SKIP LOCKED): then it is part of no deadlock.
        """
        with translated_errors(self.path):
            if self.in_transaction:
                yield self.db
                return
            if self.refusal is not None:
                raise self.refusal
            begun = self._first(CLAIMING)
            try:
                check_version(begun, self.path)
                yield self.db
            except BaseException:
                self._end(b"ROLLBACK")
                raise
            self._simple(b"COMMIT")

    @contextlib.contextmanager
    def outside(self) -> Iterator[Database]:
        """For statements that no transaction can hold, such as those that make an index while others write."""
        with translated_errors(self.path):
            self._connect_again_if_lost()
            if self.in_transaction:
                yield self.db
                return
            if self.refusal is not None:
                raise self.refusal
            self.db.execute("SET statement_timeout = 0")
            try:
                yield self.db
            finally:
                if not self.db.closed:
                    self.db.execute("RESET statement_timeout")

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        with translated_errors(self.path):
            yield from self._query(sql, values)

    def row(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        with translated_errors(self.path):
            found: tuple[Any, ...] | None = self._query(sql, values).fetchone()
            return found

    def expect(self, contents: Collection[int]) -> None:
        """These contents are read next, one by one; see `interface.store.Store`."""
        if self.in_transaction:
            self._ahead.expect(contents)

    def rows_of(self, sql: str, content: int, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a content; see `ReadAhead.rows`."""
        if content in self.pending.contents:
            self.pending.write(self.db)
        with translated_errors(self.path):
            return self._ahead.rows(sql, content, values)

    def rows_once(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; see `ReadAhead.once`."""
        return self._ahead.once(sql)

    def fixed_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that what the transaction has still to write does not concern."""
        with translated_errors(self.path):
            return self.db.query(sql).fetchall() if self.in_transaction else list(self.rows(sql))

    def number(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> int:
        """Return the first number of the first row; 0 if there is none."""
        row = self.row(sql, values)
        return int(row[0] or 0) if row else 0

    def setting(self, key: str) -> str | None:
        """Return the value of a setting stored in the library; None if it is not set."""
        row = self.row(*pg_settings.read_sql(key))
        return str(row[0]) if row and (row[0] or key not in pg_settings.OF_WORKER) else None

    def remember(self, key: str, value: str | None) -> None:
        """Store a setting in the library; `None` deletes it."""
        with self.writing() as db:
            pg_settings.remember(db, key, value)

    def data_version(self) -> int:
        """Return a number that changes whenever another connection commits; takes one round trip."""
        return self.number("SELECT value FROM counter WHERE name = 'change'") - self._commits

    def change_token(self) -> tuple[int, int]:
        """Return a value that changes whenever this or another connection commits."""
        return self.data_version(), self._commits

    def checkpoint(self) -> bool:
        """Update the statistics of the planner. The server frees space by itself."""
        with translated_errors(self.path):
            if not self.in_transaction and self.writable:
                for table in ("photo", "content", "work", "tag", "document", "token", "vector"):
                    self.db.execute(f"ANALYZE {table}")
        return True

    def problems(self) -> list[str]:
        """Return the indexes that are not valid. PostgreSQL checks references itself."""
        rows = self.rows(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace ORDER BY 1"
        )
        return [f"the index {name} is not complete" for (name,) in rows]

    def close(self) -> None:
        """Close the connection; closing it again has no effect."""
        self._closed = True
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _query(self, sql: str, values: Sequence[Any] | dict[str, Any]) -> pg_address.Cursor:
        """Execute a query; outside a transaction once more if the connection turns out to be lost."""
        outside = not self.in_transaction
        if outside:
            self._connect_again_if_lost()
        else:
            self.pending.write(self.db)
        try:
            return self.db.query(sql, values)
        except psycopg.OperationalError:
            if not outside or not self.db.closed:
                raise
        self._connect_again_if_lost()
        return self.db.query(sql, values)

    def _first(self, sql: bytes) -> psycopg.Cursor[Any]:
        """Begin a transaction, and return the results; once more if the connection turns out to be lost."""
        self._begun += 1
        self._connect_again_if_lost()
        try:
            return self._simple(sql)
        except psycopg.OperationalError:
            if not self.db.closed:
                self._end(b"ROLLBACK")
                raise
            self._connect_again_if_lost()
            return self._simple(sql)
        except BaseException:
            self._end(b"ROLLBACK")
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

    def _before_statement(self) -> None:
        """Let a statement read what was saved before it. It may itself change what was read ahead."""
        if self.pending.contents:
            self.pending.write(self.db)
        self._ahead.forget()

    def _commit(self) -> None:
        """Count the transaction if it wrote something, and commit it."""
        cursor = self._simple(
            b"UPDATE counter SET value = value + 1 WHERE name = 'change' AND pg_current_xact_id_if_assigned() IS NOT NULL;"
            b" COMMIT"
        )
        self._commits += cursor.rowcount

    def _end(self, sql: bytes) -> None:
        """End a transaction that is to leave nothing, if the connection is still there."""
        if not self.db.closed and self.in_transaction:
            with contextlib.suppress(psycopg.OperationalError):
                self._simple(sql)

    def _simple(self, sql: bytes) -> psycopg.Cursor[Any]:
        """Execute one or more statements in one round trip. The cursor has the result of the first."""
        return psycopg.Cursor(self.db).execute(sql)

    @property
    def in_transaction(self) -> bool:
        """Return whether `reading()` or `writing()` is going on."""
        pgconn = self.db.pgconn  # read for each row that is saved: `Connection.info` takes ten times as long
        return pgconn.status == ConnStatus.OK and pgconn.transaction_status != TransactionStatus.IDLE

    @property
    def transaction(self) -> int | None:
        """Return a number of the transaction that is going on; None outside one."""
        return self._begun if self.in_transaction else None
