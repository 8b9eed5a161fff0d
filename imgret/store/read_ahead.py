"""Read the rows of many contents together, where a caller reads them one by one within a snapshot or a transaction.

A search reads some seven things of each hit. A statement for one content takes 15 us on SQLite and a round trip on a
server, so the same statement is executed for many of the contents that are expected, when the first of them is read.
What followed that statement the last time is read with it, where several statements take one round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

Rows = list[tuple[Any, ...]]
Read = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]
Statement = tuple[str, Sequence[Any]]
ReadAll = Callable[[Sequence[Statement]], Sequence[Iterable[tuple[Any, ...]]]]

SEQUENCES = 16  # of statements, that are remembered


class ReadAhead:
    """The contents that are expected in the transaction that is open, and what was read of them."""

    def __init__(self, read: Read, together: int, read_all: ReadAll | None = None) -> None:
        """`read` executes a statement, which returns the rows of up to `together` contents, `read_all` several at once."""
        self._read = read
        self._read_all = read_all
        self._used: dict[tuple[str, str], Statement] = {}  # since `expect`, in this order
        self._next: dict[
            tuple[str, str], list[Statement]
        ] = {}  # what followed a first statement the last time
        self._together = together
        self._contents: list[int] = []
        self._places: dict[int, int] = {}
        self._found: dict[tuple[str, str, int], dict[int, Rows]] = {}

    def expect(self, contents: Collection[int]) -> None:
        """These contents will be read, in about this order; none: the transaction is over."""
        if len(self._used) > 1:
            first, *others = self._used
            while len(self._next) >= SEQUENCES:
                self._next.pop(next(iter(self._next)))
            self._next[first] = [self._used[each] for each in others]
        self._used = {}
        self._contents = list(dict.fromkeys(contents))
        self._places = {content: place for place, content in enumerate(self._contents)}
        self._found.clear()

    def forget(self) -> None:
        """What was read may have changed."""
        self._found.clear()

    def once(self, sql: str) -> Rows:
        """Return the rows of a query that concerns no single content: read once for all contents that are expected."""
        if not self._contents:
            return list(self._read(sql, ()))
        key = sql, "", -1
        if key not in self._found:
            self._found[key] = {-1: list(self._read(sql, ()))}
        return self._found[key][-1]

    def rows(self, sql: str, content: int, values: Sequence[Any] = ()) -> Rows:
        """Return the rows of a content. `sql` takes a list of contents, then `values`; its first column is the content."""
        place = self._places.get(content)
        if place is None:
            return [row[1:] for row in self._read(sql, ([content], *values))]
        step = place // self._together
        name = sql, repr(values)
        if (*name, step) not in self._found:
            self._read_step(step, [(sql, values), *(self._next.get(name, ()) if self._read_all else ())])
        self._used.setdefault(name, (sql, values))
        return self._found[*name, step].get(content, [])

    def _read_step(self, step: int, statements: Sequence[Statement]) -> None:
        contents = self._contents[step * self._together : (step + 1) * self._together]
        complete = [(sql, (contents, *values)) for sql, values in statements]
        if self._read_all is not None and len(complete) > 1:
            results = self._read_all(complete)
        else:
            results = [self._read(*each) for each in complete]
        for (sql, values), rows in zip(statements, results, strict=True):
            found = self._found[sql, repr(values), step] = {}
            for row in rows:
                found.setdefault(row[0], []).append(row[1:])
