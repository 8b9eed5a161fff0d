"""Spaces: which encoders' vectors there are, and which of them are searched.

A space has the vectors of one encoder; vectors of different spaces are never compared. Each stage
that makes vectors has one active space, which is searched. After a change of encoder the old space stays
active until the new one covers what it covers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imgret.photo import ModelIdentity
from imgret.store.records import Space, SpaceTraits
from imgret.store.shared.dialect import Connection, Queries

SPACE = (
    "SELECT space.id, space.stage, name, revision, settings, dimension, lead, weight, active"
    " FROM space JOIN model ON model.id = space.model"
)


class SpaceRows(Queries):
    """The rows of `space`."""

    def __init__(self, connection: Connection, model_id: Callable[[str, ModelIdentity], int]) -> None:
        """`model_id` returns the row of a stage's model."""
        super().__init__(connection)
        self._model_id = model_id

    def active(self) -> list[Space]:
        """The spaces that are searched, one for each stage that has vectors, in the order in which they came."""
        return [space(row) for row in self._kept_rows(f"{SPACE} WHERE active ORDER BY space.id")]

    def active_of(self, stage: str) -> Space | None:
        """The space of a stage that is searched; None while it has no vectors."""
        return next((each for each in self.active() if each.stage == stage), None)

    def all_of(self, stage: str) -> list[Space]:
        """All spaces of a stage."""
        return [space(row) for row in self._rows(f"{SPACE} WHERE space.stage = ? ORDER BY space.id", stage)]

    def find(self, stage: str, identity: ModelIdentity) -> Space | None:
        """The space of an encoder; None while it has no vectors."""
        row = self._row(
            f"{SPACE} WHERE space.stage = ? AND (name, revision, settings) = (?, ?, ?)",
            stage,
            identity.name,
            identity.revision,
            identity.settings,
        )
        return space(row) if row else None

    def made(self, stage: str, identity: ModelIdentity, dimension: int, traits: SpaceTraits) -> Space:
        """The space of an encoder, made on first use: active where its stage has no active one."""
        found = self.find(stage, identity)
        if found is not None and (found.lead, found.weight) == (traits.lead, traits.weight):
            return found
        with self._connection.writing() as db:
            self._changing()
            db.execute(
                self._sql(
                    "INSERT INTO space (model, stage, dimension, lead, weight, active)"
                    " VALUES (?, ?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM space WHERE stage = ? AND active))"
                    " ON CONFLICT (model) DO UPDATE SET weight = excluded.weight"
                ),
                (self._model_id(stage, identity), stage, dimension, traits.lead, traits.weight, stage),
            )
            made = self.find(stage, identity)
        assert made is not None
        return made

    def activate(self, space: Space) -> None:
        """Search this space from now on, instead of the one of its stage that was searched before."""
        with self._connection.writing() as db:
            self._changing()
            db.execute(
                self._sql("UPDATE space SET active = false WHERE stage = ? AND active"), (space.stage,)
            )
            db.execute(self._sql("UPDATE space SET active = true WHERE id = ?"), (space.id,))

    def _changing(self) -> None:
        """The rows are about to change. An engine that keeps them in memory forgets them."""


def space(row: tuple[Any, ...]) -> Space:
    """Return the space in a row of SPACE."""
    id_, stage, name, revision, settings, dimension, lead, weight, active = row
    return Space(
        id_, stage, ModelIdentity(name, revision, settings), dimension, lead, weight, active=bool(active)
    )
