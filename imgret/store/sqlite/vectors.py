"""The vectors, in spaces; the nearest-neighbour tables are made from them.

Each view of a content is kept, as float16 of unit norm. A stage has one active space, which is searched, and
perhaps one more that is being filled after a change of encoder.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.store.even_sample import even_sample
from imgret.store.records import TEXT, TEXT_SPACE, Space, SpaceTraits
from imgret.store.sqlite import nearest_table, words
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.nearest import Nearest
from imgret.store.sqlite.nearest_build import Progress
from imgret.store.sqlite.spaces import Spaces
from imgret.store.unit_vector import units

DROPPED = 5_000  # vectors of a space that are dropped in one transaction

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]  # (rows, dimension)


class Vectors:
    """Implements `imgret.store.interface.retrieval.Vectors`."""

    def __init__(self, connection: Connection, spaces: Spaces, nearest: Nearest) -> None:
        self._connection = connection
        self._spaces = spaces
        self._nearest = nearest

    def save(
        self,
        content: int,
        model: ModelIdentity,
        vectors: Mapping[str, Matrix],
        stage: str = TEXT,
        space: SpaceTraits = TEXT_SPACE,
    ) -> None:
        with self._connection.writing() as db:
            known = self._spaces.find(stage, model)
            if known is None and not vectors:
                return
            checked = units(vectors, content, model.name, known.dimension if known else None)
            dimension = known.dimension if known else len(next(iter(checked.values())))
            made = self._spaces.made(stage, model, dimension, space)
            # Without the hint SQLite walks over every vector of the space.
            db.execute(
                "DELETE FROM vector INDEXED BY vector_content WHERE content = ? AND space = ?",
                (content, made.id),
            )
            db.executemany(
                "INSERT INTO vector (content, view, space, data) VALUES (?, ?, ?, ?)",
                (
                    (content, str(view), made.id, vector.astype(np.float16).tobytes())
                    for view, vector in checked.items()
                ),
            )
            if made.active:
                self._nearest.put(made, content, checked.get(made.lead))

    def copy(self, source: int, target: int, stages: Collection[str]) -> None:
        """Give content `target` the vectors of these stages of `source`, whose pixels are the same."""
        of_stage = "FROM vector INDEXED BY vector_content WHERE content = ? AND space IN (SELECT id FROM space WHERE stage = ?)"
        with self._connection.writing() as db:
            for stage in stages:
                db.execute(f"DELETE {of_stage}", (target, stage))
                db.execute(
                    f"INSERT INTO vector (content, view, space, data) SELECT ?, view, space, data {of_stage}",
                    (target, source, stage),
                )
            for space in self._spaces.active():
                if space.stage not in stages:
                    continue
                row: Any = db.execute(
                    "SELECT data FROM vector WHERE content = ? AND view = ? AND space = ?",
                    (target, space.lead, space.id),
                ).fetchone()
                vector = np.frombuffer(row[0], np.float16).astype(np.float32) if row else None
                self._nearest.put(space, target, vector)

    def remove(self, content: int) -> None:
        """Forget every vector of a content."""
        with self._connection.writing() as db:
            db.execute("DELETE FROM vector WHERE content = ?", (content,))
            for space in self._spaces.active():
                self._nearest.put(space, content, None)

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
        row = self._connection.row("SELECT max(id) FROM vector")
        return int(row[0] or 0) if row else 0

    def of(self, space: Space, contents: Ids, views: Sequence[str]) -> dict[str, Matrix]:
        wanted = ", ".join("?" * len(views))
        with self._connection.reading() as db:
            rows: Any = db.execute(
                f"SELECT view, content, data FROM carray(?) CROSS JOIN vector ON content = value"
                f" WHERE space = ? AND view IN ({wanted})",
                (words.carray(contents), space.id, *map(str, views)),
            ).fetchall()
        found = {view: np.full((len(contents), space.dimension), np.nan, np.float32) for view in views}
        if rows:
            names, ids, data = zip(*rows, strict=True)
            matrix = np.frombuffer(b"".join(data), np.float16).reshape(len(rows), -1)
            place = {content: at for at, content in enumerate(contents.tolist())}
            places = np.array([place[content] for content in ids])
            number = {str(view): at for at, view in enumerate(views)}
            of_view = np.array([number[name] for name in names])
            for view in views:
                chosen = np.flatnonzero(of_view == number[str(view)])
                found[view][places[chosen]] = matrix[chosen]
        return found

    def evenly_spread(self, space: Space, count: int) -> Ids:
        where, key = "FROM vector WHERE space = ? AND view = ?", (space.id, space.lead)
        with self._connection.reading() as db:

            def present(tried: Ids) -> Ids:
                sql = "SELECT content FROM carray(?) CROSS JOIN vector ON content = value WHERE space = ? AND view = ?"
                rows = db.execute(sql, (words.carray(tried), *key))
                return np.fromiter((row[0] for row in rows), np.int64)

            def ends() -> tuple[int, int]:
                least, most = (
                    db.execute(f"SELECT {end}(content) {where}", key).get for end in ("min", "max")
                )
                return int(least or 0), int(most or 0)

            last = db.execute("SELECT max(id) FROM content").get
            first = db.execute("SELECT min(id) FROM content").get
            return even_sample((int(first or 0), int(last or 0)), count, present, ends)

    def all(self, space: Space, view: str) -> tuple[Ids, Matrix]:
        with self._connection.reading() as db:
            steps = list(nearest_table.rows(db, space.id, view))
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
            "SELECT 1 FROM vector AS old WHERE space = ?1 AND view = ?2"
            " AND EXISTS (SELECT 1 FROM photo WHERE photo.content = old.content AND gone_at IS NULL)"
            " AND NOT EXISTS (SELECT 1 FROM vector AS new"
            "  WHERE new.space = ?3 AND new.view = ?4 AND new.content = old.content) LIMIT 1",
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
        while self._spaces.shrink(space):
            pass
        dropped = DROPPED
        while dropped == DROPPED:
            with self._connection.writing() as db:
                db.execute(
                    "DELETE FROM vector WHERE id IN (SELECT id FROM vector WHERE space = ? LIMIT ?)",
                    (space.id, DROPPED),
                )
                dropped = db.changes()
                if dropped < DROPPED:
                    self._spaces.remove(space)
