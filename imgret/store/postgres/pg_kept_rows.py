"""Rows that a connection keeps from one read transaction to the next, while nobody commits.

A search reads the kinds of tags, the labels, the spaces and the columns of the words. They seldom change, and each
statement takes a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

# The second statement returns the number of the last commit that the transaction sees.
BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT value FROM counter WHERE name = 'change'"

Rows = list[tuple[Any, ...]]
Read = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]


class KeptRows:
    """What was read since the last commit of anybody, and the number of that commit."""

    def __init__(self) -> None:
        self.commit: int | None = None  # the last one that the read transaction sees; None outside of one
        self._rows: dict[tuple[str, tuple[Any, ...]], Rows] = {}
        self._commit: int | None = None  # the last one that the rows have

    def begin(self, begun: psycopg.Cursor[Any]) -> None:
        """A read transaction has begun. `begun` has the results of `BEGIN`."""
        begun.nextset()
        row = begun.fetchone()
        self.commit = int(row[0]) if row else None
        if self.commit != self._commit:
            self._rows, self._commit = {}, self.commit

    def end(self) -> None:
        """The read transaction has ended."""
        self.commit = None

    def rows(self, read: Read, sql: str, values: Sequence[Any]) -> Rows:
        """Return the rows of a query. In a read transaction, `read` is called once until somebody commits."""
        if self.commit is None:
            return list(read(sql, values))
        key = sql, tuple(values)
        if key not in self._rows:
            self._rows[key] = list(read(sql, values))
        return self._rows[key]
