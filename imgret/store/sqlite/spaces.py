"""Spaces: which encoders' vectors there are, and which of them are searched.

A space has the vectors of one encoder; vectors of different spaces are never compared. Each stage
that makes vectors has one active space, which is searched. After a change of encoder the old space stays
active until the new one covers what it covers.
"""

from __future__ import annotations

from typing import Any

from imgret.photo import ModelIdentity
from imgret.store.records import Space, SpaceTraits
from imgret.store.sqlite import nearest_table
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.model_rows import Models

FREED = 8  # chunks of a nearest-neighbour table that are freed in one transaction

_SPACE = (
    "SELECT space.id, space.stage, name, revision, settings, dimension, lead, weight, active"
    " FROM space JOIN model ON model.id = space.model"
)


class Spaces:
    """The rows of `space`."""

    def __init__(self, connection: Connection, models: Models) -> None:
        self._connection = connection
        self._models = models

    def active(self) -> list[Space]:
        """The spaces that are searched, one for each stage that has vectors, in the order in which they came."""
        return [_space(row) for row in self._connection.rows(f"{_SPACE} WHERE active ORDER BY space.id")]

    def active_of(self, stage: str) -> Space | None:
        """The space of a stage that is searched; None while it has no vectors."""
        row = self._connection.row(f"{_SPACE} WHERE active AND space.stage = ?", (stage,))
        return _space(row) if row else None

    def all_of(self, stage: str) -> list[Space]:
        """All spaces of a stage."""
        rows = self._connection.rows(f"{_SPACE} WHERE space.stage = ? ORDER BY space.id", (stage,))
        return [_space(row) for row in rows]

    def find(self, stage: str, identity: ModelIdentity) -> Space | None:
        """The space of an encoder; None while it has no vectors."""
        row = self._connection.row(
            f"{_SPACE} WHERE space.stage = ? AND (name, revision, settings) = (?, ?, ?)",
            (stage, identity.name, identity.revision, identity.settings),
        )
        return _space(row) if row else None

    def made(self, stage: str, identity: ModelIdentity, dimension: int, traits: SpaceTraits) -> Space:
        """The space of an encoder, made on first use: active where its stage has no active one."""
        found = self.find(stage, identity)
        if found is not None and (found.lead, found.weight) == (traits.lead, traits.weight):
            return found
        with self._connection.writing() as db:
            db.execute(
                "INSERT INTO space (model, stage, dimension, lead, weight, active)"
                " VALUES (?1, ?2, ?3, ?4, ?5, NOT EXISTS (SELECT 1 FROM space WHERE stage = ?2 AND active))"
                " ON CONFLICT (model) DO UPDATE SET weight = excluded.weight",
                (self._models.id(stage, identity), stage, dimension, traits.lead, traits.weight),
            )
            made = self.find(stage, identity)
        assert made is not None
        return made

    def activate(self, space: Space) -> None:
        """Search this space from now on, instead of the one of its stage that was searched before."""
        with self._connection.writing() as db:
            db.execute("UPDATE space SET active = 0 WHERE stage = ?", (space.stage,))
            db.execute("UPDATE space SET active = 1 WHERE id = ?", (space.id,))

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


def _space(row: tuple[Any, ...]) -> Space:
    id_, stage, name, revision, settings, dimension, lead, weight, active = row
    return Space(
        id_, stage, ModelIdentity(name, revision, settings), dimension, lead, weight, active=bool(active)
    )
