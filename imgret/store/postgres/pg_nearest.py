"""Nearest neighbours: exact in a small space, by pgvector's HNSW index in a large one.

The vectors themselves are searched, so nothing can disagree with them. Above `EXACT` photos, `rebuild` makes an HNSW
index of the leading vectors of a space (`pg_hnsw`), and the projection to the codes that a daemon holds in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from imgret.store import codes
from imgret.store.postgres import pg_hnsw
from imgret.store.postgres import pg_nearest_rows as rows_of
from imgret.store.postgres.pg_address import Cursor, Database
from imgret.store.postgres.pg_arrays import Half, Ids, Matrix, int8s, vectors
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_spaces import hnsw_name
from imgret.store.records import Space

EXACT = 50_000  # photos: beyond, comparing all of them takes longer than people wait
NEWER = 5  # the HNSW index is made again when one vector in this many is later than it, or EXACT are
GROWN = 4  # the projection is learned again when the library is this many times larger
FEW = 4096  # ids that are compared one by one
MOST_RARE = 20  # a filter that at least one photo in this many passes is applied to what was found
MOST_EF = 1000  # candidates of an HNSW search; pgvector's limit

Progress = Callable[[int, int], None]


class Nearest:
    """Implements `imgret.store.interface.retrieval.Nearest`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(self, space: Space, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        if count < 1 or (among is not None and not len(among)):
            return np.zeros(0, np.int64)
        with self._connection.reading() as db:
            last = None if among is not None and len(among) <= FEW else pg_hnsw.last(db, space)
            if last is None:
                return self._exact(db, space, query, count, among)
            db.execute(
                "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', %s, true)",
                (str(min(max(4 * count, 100), MOST_EF)),),
            )
            found = self._approximate(db, space, query, 2 * count, among, last)
            newer = self._newer(db, space, query, count, among, last)
            return self._exact(db, space, query, count, np.union1d(found, newer))

    def _newer(
        self, db: Database, space: Space, query: Matrix, count: int, among: Ids | None, last: int
    ) -> Ids:
        """The nearest of the contents whose vectors are later than the HNSW index."""
        where = f"FROM vector WHERE {pg_hnsw.leading(space)} AND id > {last}"
        if among is None:
            sql = f"SELECT content {where} ORDER BY data <#> %s, content LIMIT %s"
            return _ids(db.execute(sql, (Half(query), count)))
        nearest = int8s(
            db.execute(f"SELECT array_agg(content ORDER BY data <#> %s) {where}", (Half(query),)).get
        )
        return nearest[np.isin(nearest, among)][:count]

    def _approximate(
        self, db: Database, space: Space, query: Matrix, count: int, among: Ids | None, last: int
    ) -> Ids:
        """The nearest contents by the HNSW index, `count` or fewer."""
        where = f"{pg_hnsw.leading(space)} AND id <= {last}"
        sql = f"SELECT content FROM vector WHERE {where}{{}} ORDER BY {_distance(space)} LIMIT %s"
        if among is None:
            return _ids(db.execute(sql.format(""), (Half(query), count)))
        photos = db.execute("SELECT learned_from FROM projection WHERE space = %s", (space.id,)).get or 0
        if len(among) * MOST_RARE >= photos:  # sending all these ids takes longer than reading too many
            some = _ids(db.execute(sql.format(""), (Half(query), 2 * count * photos // len(among))))
            passing = some[np.isin(some, among)][:count]
            if len(passing) == count:
                return passing
        return _ids(db.execute(sql.format(" AND content = ANY (%s)"), (among, Half(query), count)))

    def scan(self, space: Space, query: Matrix, count: int, among: Ids | None = None) -> Ids:
        ids, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        with self._connection.reading() as db:
            for step, rows in rows_of.rows(db, space, space.lead):
                kept = slice(None) if among is None else np.isin(step, among)
                ids.append(step[kept])
                scores.append(rows[kept] @ query)
        return _best(np.concatenate(ids), np.concatenate(scores), count)

    def rebuild(
        self, space: Space, progress: Progress | None = None, *, switch: Callable[[], bool] = lambda: True
    ) -> bool:
        total = rows_of.present(self._connection, space)
        learned = None
        if total > EXACT:
            ids = rows_of.spread(self._connection, space, codes.SAMPLE)
            with self._connection.reading() as db:
                found = db.execute(
                    "SELECT data FROM vector WHERE space = %s AND view = %s AND content = ANY (%s)",
                    (space.id, space.lead, ids),
                ).fetchall()
            learned = codes.learn(vectors([row[0] for row in found], space.dimension), total)
            if self._lacks_newer(space, total):
                pg_hnsw.make(self._connection, space)
            else:
                pg_hnsw.remove_unfinished(self._connection, space)
        with self._connection.writing() as db:
            if not switch():
                return False
            db.execute("DELETE FROM projection WHERE space = %s", (space.id,))
            if learned is not None:
                db.execute(
                    "INSERT INTO projection (space, learned_from, scale, mean, basis) VALUES (%s, %s, %s, %s, %s)",
                    (space.id, total, learned.scale, learned.mean.tobytes(), learned.basis.tobytes()),
                )
        if progress:
            progress(total, total)
        return True

    def rebuild_if_outgrown(self, space: Space, progress: Progress | None = None) -> bool:
        """Rebuild what is missing and should be there, or is of a much smaller library. -> whether anything was."""
        learned = self.projection(space)
        limit = EXACT if learned is None else learned.learned_from * GROWN
        if rows_of.present(self._connection, space, limit + 1) > limit:
            self.rebuild(space, progress)
            return True
        if learned is None or not self._lacks_newer(space, learned.learned_from):
            return False
        return pg_hnsw.make(self._connection, space)

    def _lacks_newer(self, space: Space, photos: int) -> bool:
        """Whether comparing what the HNSW index of a library of so many photos lacks takes long."""
        many = min(EXACT, max(EXACT, photos) // NEWER)
        return pg_hnsw.newer(self._connection, space, many + 1) > many

    def projection(self, space: Space) -> codes.Projection | None:
        sql = "SELECT learned_from, scale, mean, basis FROM projection WHERE space = %s"
        rows = self._connection.kept_rows(sql, (space.id,))
        if not rows:
            return None
        ((learned_from, scale, mean, basis),) = rows
        means = np.frombuffer(mean, np.float32)
        return codes.Projection(
            means, np.frombuffer(basis, np.float32).reshape(len(means), -1), scale, learned_from
        )

    def count(self, space: Space) -> int:
        return rows_of.present(self._connection, space)

    def contents(self, space: Space) -> Ids:
        with self._connection.reading() as db:
            sql = "SELECT array_agg(content ORDER BY content) FROM vector WHERE space = %s AND view = %s"
            return int8s(db.execute(sql, (space.id, space.lead)).get)

    def leading_vectors(self, space: Space) -> Iterator[tuple[Ids, Matrix]]:
        with self._connection.reading() as db:
            yield from rows_of.rows(db, space, space.lead)

    def leading_since(self, space: Space, last: int) -> tuple[Ids, Matrix]:
        with self._connection.reading() as db:
            found = db.execute(
                "SELECT content, data FROM vector WHERE id > %s AND view = %s AND space = %s ORDER BY id",
                (last, space.lead, space.id),
            ).fetchall()
        newest: dict[int, bytes] = dict(found)
        if not newest:
            return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
        return np.array(list(newest), np.int64), vectors(list(newest.values()), space.dimension)

    def check(self, space: Space) -> list[str]:
        """What is wrong with the HNSW index, in sentences; empty when it is sound."""
        if rows_of.present(self._connection, space, EXACT + 1) <= EXACT or self.projection(space) is None:
            return []
        with self._connection.reading() as db:
            return (
                []
                if pg_hnsw.last(db, space) is not None
                else [f"the index `{hnsw_name(space)}` is missing or not complete"]
            )

    def _exact(self, db: Database, space: Space, query: Matrix, count: int, among: Ids | None) -> Ids:
        condition = "" if among is None else " AND content = ANY (%s)"
        rows = db.execute(
            f"SELECT content FROM vector WHERE space = %s AND view = %s{condition} ORDER BY data <#> %s, content LIMIT %s",
            (space.id, space.lead, *([] if among is None else [among]), Half(query), count),
        ).fetchall()
        return np.array([content for (content,) in rows], np.int64)


def _ids(rows: Cursor) -> Ids:
    return np.array([content for (content,) in rows], np.int64)


def _distance(space: Space) -> str:
    return f"data::halfvec({int(space.dimension)}) <#> %s::halfvec({int(space.dimension)})"


def _best(ids: Ids, scores: Matrix, count: int) -> Ids:
    """The `count` ids with the highest scores, the highest first."""
    return ids[np.argsort(-scores, kind="stable")[:count]]
