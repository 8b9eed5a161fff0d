"""The vectors, in spaces; the nearest-neighbour tables are made from them.

Each view of a content is kept, as float16 of unit norm. A stage has one active space, which is searched, and
perhaps one more that is being filled after a change of encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.store.postgres import pg_nearest_rows
from imgret.store.postgres.pg_arrays import vectors
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_nearest import Nearest
from imgret.store.postgres.pg_pending_results import PendingVectors
from imgret.store.postgres.pg_spaces import Spaces
from imgret.store.records import TEXT, TEXT_SPACE, Space, SpaceTraits
from imgret.store.unit_vector import units

Progress = Callable[[int, int], None]

DROPPED = 5_000  # vectors of a space that are dropped in one transaction

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]  # (rows, dimension)


class Vectors:
    """Implements `imgret.store.interface.retrieval.Vectors`."""

    def __init__(
        self, connection: Connection, spaces: Spaces, nearest: Nearest, pending: PendingVectors
    ) -> None:
        self._connection = connection
        self._spaces = spaces
        self._nearest = nearest
        self._pending = pending

    def save(
        self,
        content: int,
        model: ModelIdentity,
        vectors: Mapping[str, Matrix],
        stage: str = TEXT,
        space: SpaceTraits = TEXT_SPACE,
    ) -> None:
        with self._connection.writing():
            known = self._spaces.find(stage, model)
            if known is None and not vectors:
                return
            checked = units(vectors, content, model.name, known.dimension if known else None)
            dimension = known.dimension if known else len(next(iter(checked.values())))
            made = self._spaces.made(stage, model, dimension, space)
            self._pending.add(content, made.id, checked)

    def copy(self, source: int, target: int, stages: Collection[str]) -> None:
        """Give content `target` the vectors of these stages of `source`, whose pixels are the same."""
        of_stages = "FROM vector WHERE content = %s AND space IN (SELECT id FROM space WHERE stage = ANY (%s::text[]))"
        with self._connection.writing() as db:
            db.execute(f"DELETE {of_stages}", (target, list(stages)))
            db.execute(
                f"INSERT INTO vector (content, view, space, data) SELECT %s, view, space, data {of_stages}",
                (target, source, list(stages)),
            )

    def active_spaces(self) -> list[Space]:
        return self._spaces.active()

    def active_space(self, stage: str = TEXT) -> Space | None:
        return self._spaces.active_of(stage)

    def active_model(self, stage: str = TEXT) -> ModelIdentity | None:
        space = self._spaces.active_of(stage)
        return space.identity if space else None

    def activate_when_complete(self, wanted: ModelIdentity, stage: str = TEXT) -> bool:
        new, old = self._spaces.find(stage, wanted), self._spaces.active_of(stage)
        if new is None:
            return old is None
        if old is not None and old.id == new.id:
            self._drop_others(new)  # what a run before that was cut short has left
            self._nearest.rebuild_if_outgrown(new)
            return True

        def covers() -> bool:
            if self._lacking(new):
                return False
            self._spaces.activate(new)
            return True

        if self._lacking(new) or not self._nearest.rebuild(new, switch=covers):
            return False
        self._drop_others(new)
        return True

    def forget_stage(self, stage: str) -> None:
        """Drop all vectors of a stage and its spaces, in short transactions."""
        for space in self._spaces.all_of(stage):
            self._drop(space)

    def last_id(self) -> int:
        return self._connection.number("SELECT max(id) FROM vector")

    def of(self, space: Space, contents: Ids, views: Sequence[str]) -> dict[str, Matrix]:
        with self._connection.reading() as db:
            rows: Any = db.execute(
                "SELECT view, content, data FROM vector WHERE space = %s AND view = ANY (%s::text[]) AND content = ANY (%s)",
                (space.id, list(map(str, views)), contents),
            ).fetchall()
        found = {}
        place = {content: at for at, content in enumerate(contents.tolist())}
        for view in views:
            of_view = [(place[content], data) for name, content, data in rows if name == view]
            found[view] = np.full((len(contents), space.dimension), np.nan, np.float32)
            if of_view:
                found[view][[at for at, _ in of_view]] = vectors(
                    [data for _, data in of_view], space.dimension
                )
        return found

    def evenly_spread(self, space: Space, count: int) -> Ids:
        return pg_nearest_rows.spread(self._connection, space, count)

    def all(self, space: Space, view: str) -> tuple[Ids, Matrix]:
        with self._connection.reading() as db:
            steps = list(pg_nearest_rows.rows(db, space, view))
        if not steps:
            return np.zeros(0, np.int64), np.zeros((0, space.dimension), np.float32)
        return np.concatenate([ids for ids, _ in steps]), np.concatenate([rows for _, rows in steps])

    def rebuild(self, progress: Progress | None = None) -> None:
        for space in self._spaces.active():
            self._nearest.rebuild(space, progress)

    def _lacking(self, new: Space) -> bool:
        """Is there a living photo with a vector in the active space of the stage, and none in `new`?"""
        old = self._spaces.active_of(new.stage)
        if old is None:
            return False
        row = self._connection.row(
            "SELECT 1 FROM vector AS old WHERE space = %s AND view = %s"
            " AND EXISTS (SELECT 1 FROM photo WHERE photo.content = old.content AND gone_at IS NULL)"
            " AND NOT EXISTS (SELECT 1 FROM vector AS new"
            "  WHERE new.space = %s AND new.view = %s AND new.content = old.content) LIMIT 1",
            (old.id, old.lead, new.id, new.lead),
        )
        return row is not None

    def _drop_others(self, kept: Space) -> None:
        """Drop the other spaces of the stage."""
        for space in self._spaces.all_of(kept.stage):
            if space.id != kept.id:
                self._drop(space)

    def _drop(self, space: Space) -> None:
        """Drop a space, a part in each transaction: others write in between."""
        dropped = DROPPED
        while dropped == DROPPED:
            with self._connection.writing() as db:
                dropped = db.execute(
                    "DELETE FROM vector WHERE id IN (SELECT id FROM vector WHERE space = %s LIMIT %s)",
                    (space.id, DROPPED),
                ).rowcount
                if dropped < DROPPED:
                    self._spaces.remove(space)
