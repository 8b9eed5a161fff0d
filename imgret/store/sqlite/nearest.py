"""The nearest-neighbour table of each space: the leading vectors, derived from `vector` and rebuilt at will.

Up to `EXACT` photos it holds float32 and is exact, and any SQLite shell with sqlite-vec can search
it; above, it holds int8 codes, whose candidates are to be rescored from `vector`. Nothing here is
ever the only copy: a table that is missing or damaged is rebuilt.

sqlite-vec keeps the table and finds place for its rows; what it holds is compared by numpy, a chunk at a
time, because sqlite-vec's wheel compares without SIMD (`python -m benchmarks.search` has both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apsw
import numpy as np

from imgret.store import codes
from imgret.store.records import Damaged, Space
from imgret.store.sqlite import nearest_table as table
from imgret.store.sqlite import words
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.nearest_build import NearestBuild, Progress
from imgret.store.sqlite.nearest_table import Ids, Matrix, present, projection, rows

EXACT = 50_000  # photos: beyond, a float32 scan takes longer than people wait
GROWN = 4  # the projection is learned again when the library is this many times larger
FEW = 4096  # ids that are sooner compared one by one than looked for in the table


class Nearest:
    """Implements `imgret.store.interface.retrieval.Nearest`."""

    def __init__(self, connection: Connection, nearest_build: NearestBuild) -> None:
        self._connection = connection
        self._nearest_build = nearest_build

    def put(self, space: Space, content: int, vector: Matrix | None) -> None:
        """Within `writing()`: the leading vector of a content is now this one, (dimension,); None removes it."""
        with self._connection.writing() as db:
            try:
                name = table.name(db, space.id)
                if name is None or not table.exists(db, name):
                    if vector is None:
                        return
                    name = name or table.names(space.id)[0]
                    db.execute("UPDATE space SET nearest = ? WHERE id = ?", (name, space.id))
                    table.create(db, name, space.dimension, projection(db, space.id))
                db.execute(f"DELETE FROM {name} WHERE content = ?", (content,))
                if vector is not None:
                    learned = projection(db, space.id)
                    table.insert(db, name, np.array([content]), vector[np.newaxis], learned)
            except apsw.Error as error:
                if not table.broken(error):
                    raise
                self.rebuild(space)

    def search(self, space: Space, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        if count < 1 or (among is not None and not len(among)):
            return np.zeros(0, np.int64)
        with self._connection.reading() as db:
            if among is not None and len(among) <= FEW:
                return _best(*_of(db, space, query, among), count)
            with table.damage():
                ids, scores = _compared(db, space, query, among)
            if among is None and len(ids) < count and len(ids) < present(db, space, count):
                raise Damaged(f"it has only {len(ids)} photos")
            return _best(ids, scores, count)

    def scan(self, space: Space, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        ids, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        with self._connection.reading() as db:
            for step, vectors in rows(db, space.id, space.lead):
                kept = slice(None) if among is None else np.isin(step, among)
                ids.append(step[kept])
                scores.append(vectors[kept] @ query)
        return _best(np.concatenate(ids), np.concatenate(scores), count)

    def rebuild(
        self, space: Space, progress: Progress | None = None, *, switch: Callable[[], bool] = lambda: True
    ) -> bool:
        return self._nearest_build.build(space, EXACT, switch, progress)

    def rebuild_if_outgrown(self, space: Space, progress: Progress | None = None) -> bool:
        with self._connection.reading() as db:
            learned = projection(db, space.id)
            limit = EXACT if learned is None else learned.learned_from * GROWN
            is_outdated = present(db, space, limit + 1) > limit or not (
                learned is None or learned.contains_mean()
            )
        if is_outdated:
            self.rebuild(space, progress)
        return is_outdated

    def projection(self, space: Space) -> codes.Projection | None:
        with self._connection.reading() as db:
            return projection(db, space.id)

    def count(self, space: Space) -> int:
        with self._connection.reading() as db:
            return present(db, space, -1)

    def contents(self, space: Space) -> Ids:
        sql = "SELECT content FROM vector WHERE space = ? AND view = ? ORDER BY content"
        with self._connection.reading() as db:
            return np.fromiter((row[0] for row in db.execute(sql, (space.id, space.lead))), np.int64)

    def leading_vectors(self, space: Space) -> Iterator[tuple[Ids, Matrix]]:
        with self._connection.reading() as db:
            yield from rows(db, space.id, space.lead)

    def leading_since(self, space: Space, last: int) -> tuple[Ids, Matrix]:
        with self._connection.reading() as db:
            found: Any = db.execute(
                # Not by the index on (space, view): it would walk over all of them to find the last.
                "SELECT content, data FROM vector NOT INDEXED WHERE id > ? AND view = ? AND space = ? ORDER BY id",
                (last, space.lead, space.id),
            ).fetchall()
        newest: dict[int, bytes] = dict(found)
        if not newest:
            return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
        matrix = np.frombuffer(b"".join(newest.values()), np.float16).reshape(len(newest), -1)
        return np.array(list(newest), np.int64), matrix.astype(np.float32)

    def check(self, space: Space) -> list[str]:
        """What is wrong with the table, in sentences; empty when it is sound."""
        with self._connection.reading() as db:
            first = next(rows(db, space.id, space.lead), None)
            if first is None:
                return []
            vectors = "SELECT content FROM vector WHERE space = ? AND view = ?"
            key = (space.id, space.lead)
            named = table.name(db, space.id) or table.names(space.id)[0]
            try:
                with table.damage():
                    there = _compared(db, space, first[1][0], None)[0]
                    unknown = db.execute(
                        f"{vectors} AND content NOT IN (SELECT content FROM {named})", key
                    ).fetchall()
            except Damaged as error:
                return [f"the table `{named}` is missing or damaged: {error}"]
            wanted = np.fromiter((row[0] for row in db.execute(vectors, key)), np.int64)
        lacking = max(len(np.setdiff1d(wanted, there)), len(unknown))
        return [f"the table `{named}` lacks {lacking} photos"] if lacking else []


def _compared(db: apsw.Connection, space: Space, query: Matrix, among: Ids | None) -> tuple[Ids, Matrix]:
    """The table's contents and their similarity to the query, in the table's order."""
    learned = projection(db, space.id)
    weights = query if learned is None else learned.weights(query)
    wanted = None
    if among is not None:
        wanted = np.zeros(int(db.execute("SELECT max(id) FROM content").get or 0) + 1, bool)
        wanted[among] = True
    found: list[tuple[Ids, Matrix]] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))]
    named, kind = table.name(db, space.id), np.float32 if learned is None else np.int8
    for ids, held in table.chunks(db, named, kind, len(weights)) if named else ():
        scores = codes.product(held, weights)
        kept = ids > 0 if wanted is None else wanted[ids]
        found.append((ids[kept], scores[kept]))
    return np.concatenate([ids for ids, _ in found]), np.concatenate([scores for _, scores in found])


def _of(db: apsw.Connection, space: Space, query: Matrix, among: Ids) -> tuple[Ids, Matrix]:
    """Those of these contents that have a leading vector, and their cosines, from the vectors."""
    sql = "SELECT content, data FROM carray(?) CROSS JOIN vector ON content = value WHERE space = ? AND view = ?"
    found: list[Any] = db.execute(sql, (words.carray(among), space.id, space.lead)).fetchall()
    vectors = np.frombuffer(b"".join(data for _, data in found), np.float16).reshape(len(found), len(query))
    return np.array([content for content, _ in found], np.int64), vectors.astype(np.float32) @ query


def _best(ids: Ids, scores: Matrix, count: int) -> Ids:
    """The `count` ids with the highest scores, the highest first."""
    top = np.arange(len(ids)) if count >= len(ids) else np.argpartition(-scores, count)[:count]
    return ids[top[np.argsort(-scores[top], kind="stable")]]
