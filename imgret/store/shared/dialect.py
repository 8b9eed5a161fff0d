"""In what the SQL of the engines differs, for the statements that they share.

Shared statements are written with `?` for each value. They use what SQLite and PostgreSQL both understand; for the rest
each engine has a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

Condition = tuple[str, tuple[Any, ...]]  # SQL, and its values


class Dialect(NamedTuple):
    """The parts of statements that each engine writes in its own way."""

    mark: str  # the place of a value
    among: str  # behind a column: it is one of the numbers of a list; the value is `numbers(list)`
    numbers: Callable[[Collection[int]], Any]
    root: str  # in FROM and JOIN: the roots as this host sees them, under the name `root`
    away: str  # a condition on a row of `photo`: it is on an unavailable disk that is mounted below its root
    online: str  # a condition on a row of `photo`, joined with `root`: it is available
    # A condition on a row of `photo`: its root, folder and name are these.
    at: Callable[[int, bytes, bytes], Condition]
    # A condition that begins with AND: the folder is this one or below it. Empty for the whole root.
    below: Callable[[bytes], Condition]
    year: str  # the year of the column `date`, as an integer
    least_name: str  # the first of the names of the photos in a group


class Rows(Protocol):
    """What reads rows in a dialect."""

    dialect: Dialect

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        ...

    def kept_rows(self, sql: str, values: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Return the rows of a query on what few commits change: an engine may keep them until the next commit."""
        ...


class Database(Protocol):
    """What executes statements within a transaction."""

    def execute(self, sql: str, values: Any = ..., /) -> Any:
        """Execute a statement. The cursor has `fetchone`, `fetchall`, and `get`: the first value of the first row, or None."""
        ...


class Connection(Rows, Protocol):
    """What the shared modules use of the connection of an engine."""

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        ...

    def rows_of(self, sql: str, content: int, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a content; see `read_ahead.ReadAhead.rows`."""
        ...

    def rows_before(self, sql: str, content: int, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a content without what the transaction has still to write."""
        ...

    def fixed_rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that what the transaction has still to write does not concern."""
        ...

    def setting(self, key: str) -> str | None:
        """Return a setting of the library."""
        ...

    def remember(self, key: str, value: str | None) -> None:
        """Store a setting of the library; `None` deletes it."""
        ...

    def reading(self) -> AbstractContextManager[Database]:
        """Run a read transaction."""
        ...

    def writing(self, *, durable: bool = False) -> AbstractContextManager[Database]:
        """Run a write transaction."""
        ...

    def give_way(self) -> None:
        """Let other processes write, between two transactions."""
        ...


class RowQueries:
    """Queries that the engines share, with `?` for each value."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection
        self._dialect = connection.dialect

    def _sql(self, shared: str) -> str:
        return shared.replace("?", self._dialect.mark)

    def _rows(self, shared: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return self._connection.rows(self._sql(shared), values)

    def _kept_rows(self, shared: str, *values: Any) -> Iterable[tuple[Any, ...]]:
        return self._connection.kept_rows(self._sql(shared), values)


class Queries(RowQueries):
    """Statements that the engines share, with `?` for each value."""

    _connection: Connection

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    def _row(self, shared: str, *values: Any) -> tuple[Any, ...] | None:
        return self._connection.row(self._sql(shared), values)

    def _number(self, shared: str, *values: Any) -> int:
        """The first number of the first row; 0 if there is none."""
        row = self._row(shared, *values)
        return int(row[0] or 0) if row else 0
