"""`nearest`: the sqlite-vec table of the leading view, derived from `vector` and made anew at will.

Up to `EXACT` photos it holds float32 and answers exactly, and any SQLite shell with sqlite-vec can ask
it; above, it holds int8 codes, whose candidates are to be rescored from the truth. Nothing here is
ever the only copy: a table that is missing or damaged is rebuilt.

sqlite-vec keeps the table and finds room for its rows; what it holds is compared by numpy, a chunk at a
time, because sqlite-vec's wheel compares without SIMD (`python -m benchmarks.search` has both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apsw
import numpy as np

from imgret.photo import View
from imgret.store import codes
from imgret.store.codes import Projection
from imgret.store.records import Damaged
from imgret.store.sqlite import nearest_table as table
from imgret.store.sqlite import words
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.nearest_build import NearestBuild, Progress
from imgret.store.sqlite.nearest_table import ANSWERING, Ids, Matrix, answering, present, projection, rows

__all__ = [
    "ANSWERING",
    "EXACT",
    "FEW",
    "GROWN",
    "Damaged",
    "Nearest",
    "Progress",
    "answering",
    "present",
    "projection",
    "rows",
]

EXACT = 50_000  # photos: beyond, a float32 scan takes longer than people wait
GROWN = 4  # the projection is learned again when the library is this many times larger
FEW = 4096  # ids that are sooner compared one by one than looked for in the table


class Nearest:
    """Implements `imgret.store.interface.search.Nearest`."""

    def __init__(self, connection: Connection, nearest_build: NearestBuild) -> None:
        self._connection = connection
        self._nearest_build = nearest_build

    def put(self, content: int, vector: Matrix | None) -> None:
        """Within `writing()`: the leading vector of a content is now this one, (dimension,); None removes it."""
        with self._connection.writing() as db:
            learned = projection(db)
            try:
                name = table.name(db)
                if not table.exists(db, name):
                    if vector is None:
                        return
                    table.create(db, name, len(vector), learned)
                db.execute(f"DELETE FROM {name} WHERE content = ?", (content,))
                if vector is not None:
                    table.insert(db, name, np.array([content]), vector[np.newaxis], learned)
            except apsw.Error as error:
                if not table.broken(error):
                    raise
                self.rebuild()

    def search(self, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        with self._connection.reading() as db:
            model = answering(db)
            if model is None or count < 1 or (among is not None and not len(among)):
                return np.zeros(0, np.int64)
            if among is not None and len(among) <= FEW:
                return _best(*_of(db, model, query, among), count)
            with table.damage():
                ids, scores = _compared(db, query, among)
            if among is None and len(ids) < count and len(ids) < present(db, model, count):
                raise Damaged(f"it knows only {len(ids)} photos")
            return _best(ids, scores, count)

    def scan(self, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        ids, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        with self._connection.reading() as db:
            for step, vectors in rows(db, answering(db), View.PASSAGE):
                kept = slice(None) if among is None else np.isin(step, among)
                ids.append(step[kept])
                scores.append(vectors[kept] @ query)
        return _best(np.concatenate(ids), np.concatenate(scores), count)

    def rebuild(
        self,
        progress: Progress | None = None,
        *,
        model: int | None = None,
        switch: Callable[[], bool] = lambda: True,
    ) -> bool:
        with self._connection.reading() as db:
            model = answering(db) if model is None else model
        return self._nearest_build.build(model, EXACT, switch, progress)

    def rebuild_if_outgrown(self, progress: Progress | None = None) -> bool:
        """Rebuild if the library has outgrown what the table was made for. Cheap when it has not.

        Whoever writes calls it between batches; questions go on being answered from the old table.
        """
        with self._connection.reading() as db:
            model, learned = answering(db), projection(db)
            limit = EXACT if learned is None else learned.learned_from * GROWN
            outgrown = present(db, model, limit + 1) > limit
        if outgrown:
            self.rebuild(progress)
        return outgrown

    def active(self) -> int | None:
        with self._connection.reading() as db:
            return answering(db)

    def projection(self) -> Projection | None:
        with self._connection.reading() as db:
            return projection(db)

    def count(self) -> int:
        with self._connection.reading() as db:
            return present(db, answering(db), -1)

    def leading_vectors(self) -> Iterator[tuple[Ids, Matrix]]:
        with self._connection.reading() as db:
            yield from rows(db, answering(db), View.PASSAGE)

    def leading_since(self, last: int, model: int | None) -> tuple[Ids, Matrix]:
        with self._connection.reading() as db:
            found: Any = db.execute(
                # Not by the index on (model, view): it would walk over all of them to find the last.
                "SELECT content, data FROM vector NOT INDEXED WHERE id > ? AND view = ? AND model = ? ORDER BY id",
                (last, str(View.PASSAGE), model),
            ).fetchall()
        newest: dict[int, bytes] = dict(found)
        if not newest:
            return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
        matrix = np.frombuffer(b"".join(newest.values()), np.float16).reshape(len(newest), -1)
        return np.array(list(newest), np.int64), matrix.astype(np.float32)

    def check(self) -> list[str]:
        """What is wrong with the table, in sentences; empty when it is sound."""
        with self._connection.reading() as db:
            model = answering(db)
            first = next(rows(db, model, View.PASSAGE), None)
            if first is None:
                return []
            truth = "SELECT content FROM vector WHERE model = ? AND view = ?"
            key = (model, str(View.PASSAGE))
            try:
                with table.damage():
                    there = _compared(db, first[1][0], None)[0]
                    unknown = db.execute(
                        f"{truth} AND content NOT IN (SELECT content FROM {table.name(db)})", key
                    ).fetchall()
            except Damaged as error:
                return [f"the table `nearest` is missing or damaged: {error}"]
            wanted = np.fromiter((row[0] for row in db.execute(truth, key)), np.int64)
        lacking = max(len(np.setdiff1d(wanted, there)), len(unknown))
        return [f"the table `nearest` lacks {lacking} photos"] if lacking else []


def _compared(db: apsw.Connection, query: Matrix, among: Ids | None) -> tuple[Ids, Matrix]:
    """The table's contents and how near each lies to the query, in the table's order."""
    learned = projection(db)
    weights = query if learned is None else learned.weights(query)
    wanted = None
    if among is not None:
        wanted = np.zeros(int(db.execute("SELECT max(id) FROM content").get or 0) + 1, bool)
        wanted[among] = True
    found: list[tuple[Ids, Matrix]] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for ids, held in table.chunks(
        db, table.name(db), np.float32 if learned is None else np.int8, len(weights)
    ):
        scores = codes.product(held, weights) if learned is None else learned.scores(held, weights)
        kept = ids > 0 if wanted is None else wanted[ids]
        found.append((ids[kept], scores[kept]))
    return np.concatenate([ids for ids, _ in found]), np.concatenate([scores for _, scores in found])


def _of(db: apsw.Connection, model: int, query: Matrix, among: Ids) -> tuple[Ids, Matrix]:
    """Those of these contents that have a leading vector, and their cosines, from the truth."""
    sql = "SELECT content, data FROM carray(?) CROSS JOIN vector ON content = value WHERE model = ? AND view = ?"
    found: list[Any] = db.execute(sql, (words.carray(among), model, str(View.PASSAGE))).fetchall()
    rows = np.frombuffer(b"".join(data for _, data in found), np.float16).reshape(len(found), len(query))
    return np.array([content for content, _ in found], np.int64), rows.astype(np.float32) @ query


def _best(ids: Ids, scores: Matrix, count: int) -> Ids:
    """The `count` ids with the highest scores, the highest first."""
    top = np.arange(len(ids)) if count >= len(ids) else np.argpartition(-scores, count)[:count]
    return ids[top[np.argsort(-scores[top], kind="stable")]]
