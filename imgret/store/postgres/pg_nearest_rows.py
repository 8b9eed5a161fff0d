"""Reads the leading vectors of a space: in steps, counted, and evenly spread."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

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


def spread(connection: Connection, space: Space, tried: int) -> tuple[Ids, Ids]:
    """Return at most so many ids evenly over the library, and those of them with leading vectors; both ascending."""
    where, key = "FROM vector WHERE space = %s AND view = %s", (space.id, space.lead)
    with connection.reading() as db:
        ends = db.execute(f"SELECT min(content), max(content) {where}", key).fetchone()
        if ends is None or ends[0] is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        # Ids have gaps where photos were forgotten: some of those that are tried do not exist.
        ids = np.unique(np.linspace(int(ends[0]), int(ends[1]), tried).astype(np.int64))
        found = db.execute(f"SELECT array_agg(content) {where} AND content = ANY (%s)", (*key, ids)).get
    return ids, np.sort(int8s(found))
