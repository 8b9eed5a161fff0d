"""What a transaction has still to write: rows of many photos, collected so that one statement writes those of a table.

They are written at the end of the transaction, and before each other statement, so that it reads what was saved before
it. What is read ahead of a batch of contents (`read_ahead`) is the exception: it only has to be read again for contents
with pending rows. Documents, which are composed of other rows, are written at the end alone. What all contents share is
written last, because other transactions may wait for it (`Connection.in_order`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imgret.store.postgres.pg_address import Database


class Writer(Protocol):
    """Collects rows of some tables."""

    def write_pending(self, db: Database) -> None:
        """Write all rows that were collected."""

    def forget_pending(self) -> None:
        """Drop them: the transaction is undone."""


class Pending:
    """The rows of all writers."""

    def __init__(self) -> None:
        self.contents: set[int] = set()  # that have pending rows
        self._own: tuple[Writer, ...] = ()
        self._at_end: tuple[Writer, ...] = ()
        self._shared: tuple[Writer, ...] = ()
        self._writing = False

    def written_by(self, own: Sequence[Writer], at_end: Sequence[Writer], shared: Sequence[Writer]) -> None:
        """Set the writers, in the order in which they write."""
        self._own, self._at_end, self._shared = tuple(own), tuple(at_end), tuple(shared)

    def write(self, db: Database, *, last: bool = False) -> None:
        """Write all pending rows; with `last`, those at the end, too. Without effect while they are being written."""
        if self._writing or not (self.contents or last):
            return
        self._writing = True
        try:
            self.contents.clear()
            for writer in (*self._own, *(self._at_end if last else ()), *self._shared):
                writer.write_pending(db)
        finally:
            self._writing = False

    def forget(self) -> None:
        """Drop all pending rows: the transaction is undone."""
        self.contents.clear()
        for writer in (*self._own, *self._at_end, *self._shared):
            writer.forget_pending()
