"""Spaces in PostgreSQL, and their HNSW indexes. A transaction reads them once."""

from __future__ import annotations

from collections.abc import Callable

from imgret.photo import ModelIdentity
from imgret.store.postgres import pg_schema
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import Space
from imgret.store.shared import space_rows
from imgret.store.shared.space_rows import SpaceRows


class Spaces(SpaceRows):
    """The rows of `space`, and their indexes."""

    _connection: Connection

    def __init__(self, connection: Connection, model_id: Callable[[str, ModelIdentity], int]) -> None:
        super().__init__(connection, model_id)
        self._known: dict[tuple[str, ModelIdentity], Space] = {}
        self._known_in: int | None = None  # the transaction that writes: nobody else changes them during it

    def find(self, stage: str, identity: ModelIdentity) -> Space | None:
        if self._known_in is None or self._known_in != self._connection.transaction:
            spaces = map(space_rows.space, self._connection.fixed_rows(space_rows.SPACE))
            self._known = {(space.stage, space.identity): space for space in spaces}
            self._known_in = self._connection.transaction
        return self._known.get((stage, identity))

    def remove(self, space: Space) -> None:
        """Drop a space that has no vectors any more, and its index."""
        with self._connection.writing() as db:
            self._changing()
            for name in (hnsw_name(space), new_hnsw_name(space)):
                db.execute(f"DROP INDEX IF EXISTS {pg_schema.qualified(db, name)}")
            db.execute("DELETE FROM space WHERE id = %s", (space.id,))

    def _changing(self) -> None:
        self._known_in = None


def hnsw_name(space: Space) -> str:
    """The name of the HNSW index of a space."""
    return f"vector_hnsw_{space.id}"


def new_hnsw_name(space: Space) -> str:
    """The name of an HNSW index that is being made."""
    return f"{hnsw_name(space)}_new"
