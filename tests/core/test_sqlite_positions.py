"""`near:` in SQLite reads a range of an index, however many photos there are."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from imgret.store import positions
from imgret.store.factory import open_store


@pytest.mark.parametrize("circles", [1, 3, 100])
def test_near_reads_ranges_of_the_index(tmp_path: Path, circles: int) -> None:
    path = str(tmp_path / "index.db")
    open_store(path, create=True).close()
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    condition, values = positions.within([(44.13 + number, 9.71, 5.0) for number in range(-50, circles - 50)])
    rows = db.execute(f"EXPLAIN QUERY PLAN SELECT id FROM content WHERE {condition}", values)
    plan = " ".join(str(row[-1]) for row in rows)
    assert plan.count("content_position (latitude>? AND latitude<?)") == circles
    assert "SCAN" not in plan
    db.close()
