"""Reads the leading vectors of a space: in steps, counted, and evenly spread."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imgret.store.even_sample import even_sample
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_arrays import Ids, Matrix, int8s, vectors
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import Space

STEP = 4096  # rows read at a time


def rows(db: Database, space: Space, view: str) -> Iterator[tuple[Ids, Matrix]]:
    """Yield the vectors of one view of a space in steps, by content: ids (n,), float32 (n, dimension)."""
    last = -1
    while True:
        step = db.execute(
            "SELECT content, data FROM vector WHERE space = %s AND view = %s AND content > %s ORDER BY content LIMIT %s",
            (space.id, view, last, STEP),
        ).fetchall()
        if not step:
            return
        last = step[-1][0]
        yield np.array([row[0] for row in step], np.int64), vectors([row[1] for row in step], space.dimension)


def present(connection: Connection, space: Space, at_most: int | None = None) -> int:
    """Return how many contents have a leading vector in a space, counted up to `at_most`."""
    return connection.number(
        "SELECT count(*) FROM (SELECT 1 FROM vector WHERE space = %s AND view = %s LIMIT %s) AS there",
        (space.id, space.lead, at_most),
    )


def spread(connection: Connection, space: Space, count: int) -> Ids:
    """Return at most `count` contents with leading vectors, evenly over the library, ascending."""
    where, key = "FROM vector WHERE space = %s AND view = %s", (space.id, space.lead)
    with connection.reading() as db:

        def present(tried: Ids) -> Ids:
            found = db.execute(f"SELECT array_agg(content) {where} AND content = ANY (%s)", (*key, tried)).get
            return np.sort(int8s(found))

        def ends() -> tuple[int, int]:
            least, most = db.execute(f"SELECT min(content), max(content) {where}", key).fetchone() or (0, 0)
            return int(least or 0), int(most or 0)

        first, last = db.execute("SELECT min(id), max(id) FROM content").fetchone() or (0, 0)
        return even_sample((int(first or 0), int(last or 0)), count, present, ends)
