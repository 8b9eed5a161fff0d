"""A connection to a library: transactions, snapshots, queries and settings.

Transactions of `writing()` come one after the other, also those of other hosts. Those of `changing()` run beside each
other: each locks the contents that it changes, and waits for its turn only before it writes what all share: tokens and
their counts, vectors, the queue, counters (`in_order`). Ids and the counter `change` therefore grow in the order of commits.
Claims of work add no rows, and nobody reads them in the order of commits, so they only lock the rows that they change
(`claiming`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import psycopg

from imgret.store.postgres import pg_address, pg_kept_rows, pg_settings
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_begin import CLAIMING, check_version
from imgret.store.postgres.pg_dialect import DIALECT
from imgret.store.postgres.pg_errors import translated_errors
from imgret.store.postgres.pg_kept_rows import KeptRows, Rows
from imgret.store.postgres.pg_session import Session
from imgret.store.read_ahead import ReadAhead, Statement

T = TypeVar("T")

TOGETHER = 200  # contents that are read at once: a round trip costs more than rows that are not needed


class _NotAlone(Exception):
    """A transaction of `changing()` must do what only one of `writing()` may."""


class Connection(Session):
    """An open library. The classes of the other modules in this package take one as their first argument."""

    def __init__(self, place: str, *, create: bool = True) -> None:
        """See `Session`."""
        self.dialect = DIALECT
        self._commits = 0  # of this connection
        self._beside = False  # this transaction runs beside others
        self._locked: frozenset[int] = frozenset()  # the contents that it was given
        self._ordered = False  # it has waited for its turn
        self._ahead = ReadAhead(self.fixed_rows, TOGETHER, self._rows_of_all)
        self._flushes: list[tuple[Callable[[], None], Callable[[], None]]] = []
        super().__init__(place, create=create)

    def _connected(self) -> Database:
        self._kept = KeptRows()  # the server may have been restored meanwhile
        return super()._connected()

    @property
    def has_turn(self) -> bool:
        """Whether other transactions of `changing()` wait for the end of this one."""
        return self._beside and self._ordered

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
            begun = self._first(pg_kept_rows.BEGIN)
            try:
                self._kept.begin(begun)
                yield self.db
            finally:
                self._kept.end()
                self._ahead.expect(())
                self._end()

    @contextlib.contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Database]:
        """Run a write transaction, undone on any exception. Inside another `writing()` it joins that one."""
        with translated_errors(self.path):
            if self.in_transaction:
                yield self.db
                return
            with self._writing(self._locks.writing(durable=durable)):
                yield self.db

    def changing(self, contents: Collection[int], job: Callable[[], T]) -> T:
        """See `interface.store.Store`. Where `job` must be alone, it is called again, in a transaction of `writing()`."""
        if not self.in_transaction:
            self._ordered, self._locked = False, frozenset(contents)
            try:
                with translated_errors(self.path), self._writing(self._locks.changing(contents)):
                    self._beside = True
                    return job()
            except _NotAlone:
                pass
            finally:
                self._beside = False
        with self.writing():
            return job()

    def in_order(self) -> None:
        """Wait until no other transaction of `changing()` writes what all share, before this one does."""
        if self._beside and not self._ordered:
            self._simple(self._locks.in_order)
            self._ordered = True

    def check_own(self, contents: Collection[int]) -> None:
        """Let rows of these contents be written: of others than `changing()` was given, only `writing()` may write any."""
        if self._beside and not self._locked.issuperset(contents):
            raise _NotAlone

    @contextlib.contextmanager
    def changing_queue(self, content: int) -> Iterator[Database]:
        """Join `writing()` to change the queue of a content by `Database.query`."""
        with self.writing() as db:
            self.check_own([content])
            self.in_order()
            self._write_pending()
            self._ahead.forget()
            yield db

    @contextlib.contextmanager
    def _writing(self, begin: bytes) -> Iterator[None]:
        """Run a write transaction, which begins with these statements."""
        if self.refusal is not None:
            raise self.refusal
        begun = self._first(begin)
        try:
            check_version(begun, self.path)
            yield
            self.check_own(self.pending.contents)
            with self._one_round_trip() if self.pending.contents else contextlib.nullcontext():
                self.pending.write(self.db, last=True)
                for flush, _ in self._flushes:
                    flush()
            self._commit()
        except BaseException:
            self.pending.forget()
            for _, forget in self._flushes:
                forget()
            self._undo()
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
                self._undo()
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
            self._write_pending()
        return self.rows_before(sql, content, values)

    def rows_before(self, sql: str, content: int, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a content without what the transaction has still to write."""
        with translated_errors(self.path):
            return self._ahead.rows(sql, content, values)

    def kept_rows(self, sql: str, values: Sequence[Any] = (), *, fixed: bool = False) -> Rows:
        """Return the rows of a query on what few commits change; see `KeptRows.rows`. With `fixed`, as `fixed_rows`."""
        return self._kept.rows(self.fixed_rows if fixed else self.rows, sql, values)

    def rows_once(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; see `ReadAhead.once`."""
        return self._ahead.once(sql)

    def fixed_rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that what the transaction has still to write does not concern."""
        with translated_errors(self.path):
            return (
                self.db.query(sql, values).fetchall() if self.in_transaction else list(self.rows(sql, values))
            )

    def number(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> int:
        """Return the first number of the first row; 0 if there is none."""
        row = self.row(sql, values)
        return int(row[0] or 0) if row else 0

    def _rows_of_all(self, statements: Sequence[Statement]) -> list[Rows]:
        """Return the rows of several queries, in one round trip; see `fixed_rows`."""
        with self._one_round_trip():
            cursors = [self.db.query(sql, values) for sql, values in statements]
        return [cursor.fetchall() for cursor in cursors]

    def setting(self, key: str) -> str | None:
        """Return the value of a setting stored in the library; None if it is not set."""
        row = self.row(*pg_settings.read_sql(key))
        return str(row[0]) if row and (row[0] or not pg_settings.of_worker(key)) else None

    def remember(self, key: str, value: str | None) -> None:
        """Store a setting in the library; `None` deletes it."""
        with self.writing() as db:
            pg_settings.remember(db, key, value)

    def data_version(self) -> int:
        """Return a number that changes whenever another connection commits; takes one round trip."""
        seen = self._kept.commit
        if seen is None:
            seen = self.number("SELECT value FROM counter WHERE name = 'change'")
        return seen - self._commits

    def change_token(self) -> tuple[int, int]:
        """Return a value that changes whenever this or another connection commits."""
        return self.data_version(), self._commits

    def _query(self, sql: str, values: Sequence[Any] | dict[str, Any]) -> pg_address.Cursor:
        """Execute a query; outside a transaction once more if the connection turns out to be lost."""
        outside = not self.in_transaction
        if outside:
            self._connect_again_if_lost()
        else:
            self._write_pending()
        try:
            return self.db.query(sql, values)
        except psycopg.OperationalError:
            if not outside or not self.db.closed:
                raise
        self._connect_again_if_lost()
        return self.db.query(sql, values)

    def _before_statement(self) -> None:
        """Let a statement read what was saved before it. It may itself change what was read ahead."""
        if self._beside:
            raise _NotAlone  # it may concern other contents
        self._write_pending()
        self._ahead.forget()

    def _write_pending(self) -> None:
        if self.pending.contents:
            self.check_own(self.pending.contents)
            self.pending.write(self.db)
            self._ahead.forget()

    def _one_round_trip(self) -> contextlib.AbstractContextManager[object]:
        """Send statements without waiting for the results of those before, except where these are read."""
        return self.db.pipeline() if psycopg.Pipeline.is_supported() else contextlib.nullcontext()

    def _commit(self) -> None:
        """Count the transaction if it wrote something, and commit it."""
        cursor = self._simple(
            b"UPDATE counter SET value = value + 1 WHERE name = 'change' AND pg_current_xact_id_if_assigned() IS NOT NULL;"
            b" COMMIT"
        )
        self._commits += cursor.rowcount
