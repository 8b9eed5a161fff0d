"""Read the rows of many contents together, where a caller reads them one by one within a snapshot or a transaction.

A search reads some seven things of each hit. A statement for one content takes 15 us on SQLite and a round trip on a
server, so the same statement is executed for many of the contents that are expected, when the first of them is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

Rows = list[tuple[Any, ...]]
Read = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]


class ReadAhead:
    """The contents that are expected in the transaction that is open, and what was read of them."""

    def __init__(self, read: Read, together: int) -> None:
        """`read` executes a statement, which returns the rows of up to `together` contents."""
        self._read = read
        self._together = together
        self._contents: list[int] = []
        self._places: dict[int, int] = {}
        self._found: dict[tuple[str, str, int], dict[int, Rows]] = {}

    def expect(self, contents: Collection[int]) -> None:
        """These contents will be read, in about this order; none: the transaction is over."""
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
        key = sql, repr(values), step
        if key not in self._found:
            contents = self._contents[step * self._together : (step + 1) * self._together]
            found: dict[int, Rows] = {}
            for row in self._read(sql, (contents, *values)):
                found.setdefault(row[0], []).append(row[1:])
            self._found[key] = found
        return self._found[key].get(content, [])
