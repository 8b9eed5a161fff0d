"""The vectors, and which embedder answers with them: the truth that `nearest` is made from.

Every view of a content is kept apart, as float16 of unit norm. Vectors of several embedders may lie
here side by side, but only one of them *answers*; after a change of embedder the old one goes on
answering until the new one covers as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity, Stage, View
from imgret.store.sqlite import nearest, words
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.nearest import Nearest

DROPPED = 5_000  # vectors of an embedder before that are dropped in one transaction
NORM_TOLERANCE = 0.02  # bf16 embedders drift by less; anything further off is not a unit vector

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]  # (rows, dimension)


class Vectors:
    """Implements `imgret.store.interface.search.Vectors`."""

    def __init__(self, connection: Connection, nearest: Nearest) -> None:
        self._connection = connection
        self._nearest = nearest

    def save(self, content: int, model: ModelIdentity, vectors: Mapping[View, Matrix]) -> None:
        with self._connection.writing() as db:
            row = _row(db, model)
            dimension = _dimension(db, row)
            checked = {view: _unit(vector, content, view) for view, vector in vectors.items()}
            for view, vector in checked.items():
                dimension = dimension or len(vector)
                if len(vector) != dimension:
                    raise ValueError(
                        f"the {view} vector of content {content} has {len(vector)} dimensions; "
                        f"those of {model.name} have {dimension}"
                    )
            # Without the hint SQLite walks over every vector of the model.
            db.execute(
                "DELETE FROM vector INDEXED BY vector_content WHERE content = ? AND model = ?", (content, row)
            )
            db.executemany(
                "INSERT INTO vector (content, view, model, data) VALUES (?, ?, ?, ?)",
                (
                    (content, str(view), row, vector.astype(np.float16).tobytes())
                    for view, vector in checked.items()
                ),
            )
            if nearest.answering(db) is None and checked:
                self._connection.remember(nearest.ANSWERING, str(row))
            if nearest.answering(db) == row:
                self._nearest.put(content, checked.get(View.PASSAGE))

    def copy(self, source: int, target: int) -> None:
        """Give content `target` the vectors of `source`, whose pixels are the same."""
        with self._connection.writing() as db:
            db.execute("DELETE FROM vector WHERE content = ?", (target,))
            db.execute(
                "INSERT INTO vector (content, view, model, data) "
                "SELECT ?, view, model, data FROM vector WHERE content = ?",
                (target, source),
            )
            row = db.execute(
                "SELECT data FROM vector WHERE content = ? AND view = ? AND model = ?",
                (target, str(View.PASSAGE), nearest.answering(db)),
            ).fetchone()
            self._nearest.put(target, np.frombuffer(row[0], np.float16).astype(np.float32) if row else None)

    def remove(self, content: int) -> None:
        """Forget every vector of a content."""
        with self._connection.writing() as db:
            db.execute("DELETE FROM vector WHERE content = ?", (content,))
            self._nearest.put(content, None)

    def active_model(self) -> ModelIdentity | None:
        with self._connection.reading() as db:
            row = db.execute(
                "SELECT name, revision, settings FROM model WHERE id = ?", (nearest.answering(db),)
            ).fetchone()
        return ModelIdentity(*row) if row else None

    def activate_when_complete(self, wanted: ModelIdentity) -> bool:
        with self._connection.writing() as db:
            old, new = nearest.answering(db), _row(db, wanted)
        if old == new:
            self._drop_others(new)  # what a run before that was cut short has left
            self._nearest.rebuild_if_outgrown()
            return True

        def covers() -> bool:
            if self._lacking(new):
                return False
            self._connection.remember(nearest.ANSWERING, str(new))
            return True

        if self._lacking(new) or not self._nearest.rebuild(model=new, switch=covers):
            return False
        self._drop_others(new)
        return True

    def _lacking(self, new: int) -> bool:
        """Is there a living photo with a vector of the embedder that answers and none of `new`?"""
        with self._connection.reading() as db:
            found = db.execute(
                "SELECT 1 FROM vector AS old WHERE model = ?1 AND view = ?3"
                " AND EXISTS (SELECT 1 FROM photo WHERE photo.content = old.content AND gone_at IS NULL)"
                " AND NOT EXISTS (SELECT 1 FROM vector AS new"
                "  WHERE new.model = ?2 AND new.view = ?3 AND new.content = old.content) LIMIT 1",
                (nearest.answering(db), new, str(View.PASSAGE)),
            ).fetchone()
        return found is not None

    def _drop_others(self, model: int) -> None:
        """Drop the vectors of all other embedders, some at a time: others write in between."""
        for others in ("model < ?", "model > ?"):  # so that the index on (model, view) finds them
            dropped = DROPPED
            while dropped == DROPPED:
                with self._connection.writing() as db:
                    db.execute(
                        f"DELETE FROM vector WHERE id IN (SELECT id FROM vector WHERE {others} LIMIT ?)",
                        (model, DROPPED),
                    )
                    dropped = db.changes()

    def last_id(self) -> int:
        row = self._connection.row("SELECT max(id) FROM vector")
        return int(row[0] or 0) if row else 0

    def covered(self, model: ModelIdentity) -> int:
        """How many contents have a vector of `model`."""
        with self._connection.reading() as db:
            return int(
                db.execute(
                    "SELECT count(*) FROM vector WHERE view = ? AND model = ("
                    " SELECT id FROM model WHERE stage = ? AND name = ? AND revision = ? AND settings = ?)",
                    (str(View.PASSAGE), str(Stage.EMBED), model.name, model.revision, model.settings),
                ).get
            )

    def of(self, contents: Ids, views: Sequence[View] = tuple(View)) -> dict[View, Matrix]:
        wanted = ", ".join(f"'{view}'" for view in views)
        with self._connection.reading() as db:
            model = nearest.answering(db)
            shape = (len(contents), (_dimension(db, model) if model is not None else None) or 1)
            rows: Any = db.execute(
                f"SELECT view, content, data FROM carray(?) CROSS JOIN vector ON content = value"
                f" WHERE model = ? AND view IN ({wanted})",
                (words.carray(contents), model),
            ).fetchall()
        found = {}
        place = {content: at for at, content in enumerate(contents.tolist())}
        for view in views:
            of_view = [(place[content], data) for name, content, data in rows if name == view]
            found[view] = np.full(shape, np.nan, np.float32)
            if of_view:
                matrix = np.frombuffer(b"".join(data for _, data in of_view), np.float16)
                found[view][[at for at, _ in of_view]] = matrix.reshape(len(of_view), -1)
        return found

    def evenly_spread(self, count: int) -> Ids:
        where = "FROM vector WHERE model = ? AND view = ?"
        with self._connection.reading() as db:
            key = (nearest.answering(db), str(View.PASSAGE))
            first = db.execute(f"SELECT min(content) {where}", key).get
            last = db.execute(f"SELECT max(content) {where}", key).get
            if first is None or last is None:
                return np.zeros(0, np.int64)
            # Ids have gaps where photos were forgotten: try more of them than are wanted.
            tried = np.unique(np.linspace(int(first), int(last), 4 * count).astype(np.int64))
            rows = db.execute(
                "SELECT content FROM carray(?) CROSS JOIN vector ON content = value WHERE model = ? AND view = ?",
                (words.carray(tried), *key),
            )
            found = np.fromiter((row[0] for row in rows), np.int64)
        return found[:: -(-len(found) // count)] if len(found) > count else found

    def all(self, view: View) -> tuple[Ids, Matrix]:
        with self._connection.reading() as db:
            steps = list(nearest.rows(db, nearest.answering(db), view))
        if not steps:
            return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
        return np.concatenate([ids for ids, _ in steps]), np.concatenate([rows for _, rows in steps])

    def rebuild(self, progress: nearest.Progress | None = None) -> None:
        self._nearest.rebuild(progress)


def _unit(vector: Matrix, content: int, view: View) -> Matrix:
    flat = np.asarray(vector, np.float32).reshape(-1)
    norm = float(np.linalg.norm(flat))
    if not np.isfinite(norm):
        raise ValueError(f"the {view} vector of content {content} holds NaN or infinity")
    if abs(norm - 1) > NORM_TOLERANCE:
        raise ValueError(f"the {view} vector of content {content} has norm {norm:.3f} instead of 1")
    return flat / np.float32(norm)


def _row(db: apsw.Connection, model: ModelIdentity) -> int:
    key = (str(Stage.EMBED), model.name, model.revision, model.settings)
    db.execute("INSERT OR IGNORE INTO model (stage, name, revision, settings) VALUES (?, ?, ?, ?)", key)
    return int(
        db.execute(
            "SELECT id FROM model WHERE stage = ? AND name = ? AND revision = ? AND settings = ?", key
        ).get
    )


def _dimension(db: apsw.Connection, row: int) -> int | None:
    size = db.execute("SELECT length(data) FROM vector WHERE model = ? LIMIT 1", (row,)).get
    return int(size) // 2 if size is not None else None
