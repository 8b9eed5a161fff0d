"""Spaces: which encoders' vectors there are, and which of them are searched.

A space has the vectors of one encoder; vectors of different spaces are never compared. Each stage
that makes vectors has one active space, which is searched. After a change of encoder the old space stays
active until the new one covers what it covers.
"""

from __future__ import annotations

from typing import Any

from imgret.photo import ModelIdentity
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_models import Models
from imgret.store.records import Space, SpaceTraits

_SPACE = (
    "SELECT space.id, space.stage, name, revision, settings, dimension, lead, weight, active"
    " FROM space JOIN model ON model.id = space.model"
)


class Spaces:
    """The rows of `space`."""

    def __init__(self, connection: Connection, models: Models) -> None:
        self._connection = connection
        self._models = models
        self._known: dict[tuple[str, ModelIdentity], Space] = {}
        self._known_in: int | None = None  # the transaction that writes: nobody else changes them during it

    def active(self) -> list[Space]:
        """The spaces that are searched, one for each stage that has vectors, in the order in which they came."""
        return [_space(row) for row in self._connection.rows(f"{_SPACE} WHERE active ORDER BY space.id")]

    def active_of(self, stage: str) -> Space | None:
        """The space of a stage that is searched; None while it has no vectors."""
        row = self._connection.row(f"{_SPACE} WHERE active AND space.stage = %s", (stage,))
        return _space(row) if row else None

    def all_of(self, stage: str) -> list[Space]:
        """All spaces of a stage."""
        rows = self._connection.rows(f"{_SPACE} WHERE space.stage = %s ORDER BY space.id", (stage,))
        return [_space(row) for row in rows]

    def find(self, stage: str, identity: ModelIdentity) -> Space | None:
        """The space of an encoder; None while it has no vectors."""
        if self._known_in is None or self._known_in != self._connection.transaction:
            spaces = map(_space, self._connection.fixed_rows(_SPACE))
            self._known = {(space.stage, space.identity): space for space in spaces}
            self._known_in = self._connection.transaction
        return self._known.get((stage, identity))

    def made(self, stage: str, identity: ModelIdentity, dimension: int, traits: SpaceTraits) -> Space:
        """The space of an encoder, made on first use: active where its stage has no active one."""
        found = self.find(stage, identity)
        if found is not None and (found.lead, found.weight) == (traits.lead, traits.weight):
            return found
        with self._connection.writing() as db:
            self._known_in = None
            db.execute(
                "INSERT INTO space (model, stage, dimension, lead, weight, active)"
                " VALUES (%s, %s, %s, %s, %s, NOT EXISTS (SELECT 1 FROM space WHERE stage = %s AND active))"
                " ON CONFLICT (model) DO UPDATE SET weight = excluded.weight",
                (self._models.id(stage, identity), stage, dimension, traits.lead, traits.weight, stage),
            )
            made = self.find(stage, identity)
        assert made is not None
        return made

    def activate(self, space: Space) -> None:
        """Search this space from now on, instead of the one of its stage that was searched before."""
        with self._connection.writing() as db:
            self._known_in = None
            db.execute("UPDATE space SET active = false WHERE stage = %s AND active", (space.stage,))
            db.execute("UPDATE space SET active = true WHERE id = %s", (space.id,))

    def remove(self, space: Space) -> None:
        """Drop a space that has no vectors any more, and its index."""
        with self._connection.writing() as db:
            self._known_in = None
            db.execute(f"DROP INDEX IF EXISTS {hnsw_name(space)}, {new_hnsw_name(space)}")
            db.execute("DELETE FROM space WHERE id = %s", (space.id,))


def hnsw_name(space: Space) -> str:
    """The name of the HNSW index of a space."""
    return f"vector_hnsw_{space.id}"


def new_hnsw_name(space: Space) -> str:
    """The name of an HNSW index that is being made."""
    return f"{hnsw_name(space)}_new"


def _space(row: tuple[Any, ...]) -> Space:
    id_, stage, name, revision, settings, dimension, lead, weight, active = row
    return Space(
        id_, stage, ModelIdentity(name, revision, settings), dimension, lead, weight, active=bool(active)
    )
