"""Spaces in SQLite, and the nearest-neighbour tables that belong to them."""

from __future__ import annotations

from imgret.store.records import Space
from imgret.store.shared.space_rows import SpaceRows
from imgret.store.sqlite import nearest_table
from imgret.store.sqlite.connection import Connection

FREED = 8  # chunks of a nearest-neighbour table that are freed in one transaction


class Spaces(SpaceRows):
    """The rows of `space`, and their tables."""

    _connection: Connection

    def shrink(self, space: Space) -> bool:
        """Free a part of the nearest-neighbour tables of a space that is to be removed. -> were there any rows?"""
        with self._connection.writing() as db:
            return any(nearest_table.shrink(db, table, FREED) for table in self._tables(space))

    def remove(self, space: Space) -> None:
        """Drop a space that has no vectors any more, and what is derived from them."""
        with self._connection.writing() as db:
            for table in self._tables(space):
                nearest_table.drop(db, table)
            db.execute("DELETE FROM space WHERE id = ?", (space.id,))

    def _tables(self, space: Space) -> set[str]:
        with self._connection.reading() as db:
            current = nearest_table.name(db, space.id)
        return {*nearest_table.names(space.id), *([current] if current else [])}
