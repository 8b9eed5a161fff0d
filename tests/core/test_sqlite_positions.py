"""`near:` in SQLite reads a range of an index, however many photos there are."""

from __future__ import annotations

from pathlib import Path

import apsw

from imgret.store import positions
from imgret.store.factory import open_store


def test_near_reads_a_range_of_the_index(tmp_path: Path) -> None:
    path = str(tmp_path / "index.db")
    open_store(path, create=True).close()
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    sql = f"EXPLAIN QUERY PLAN SELECT id FROM content WHERE {positions.CONDITION}"
    plan = " ".join(str(row[-1]) for row in db.execute(sql, positions.condition(44.13, 9.71, 5)))
    assert "content_position (latitude>? AND latitude<?)" in plan
    db.close()
