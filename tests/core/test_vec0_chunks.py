"""The nearest-neighbour table is read right, whichever way sqlite-vec keeps its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from imgret.photo import ModelIdentity
from imgret.store.sqlite import nearest, nearest_table, vec0_chunks, vectors
from imgret.store.sqlite.connection import Index
from imgret.store.sqlite.opening import load_extension

Units = Callable[..., Any]
Bulk = Callable[[Sequence[Any], ModelIdentity], list[int]]
MODEL = ModelIdentity("a", "1")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The layout is compared again within the test, and again after it."""
    vec0_chunks.readable.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    vec0_chunks.readable.cache_clear()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(str(tmp_path / "index.db")) as opened:
        yield opened


def another_bit_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(vec0_chunks, "_BITS", "big")


def another_name(patch: pytest.MonkeyPatch) -> None:
    """As if the chunks were kept elsewhere."""
    real = vec0_chunks._chunks
    patch.setattr(vec0_chunks, "_chunks", lambda db, table, *rest: real(db, f"{table}_v2", *rest))


CHANGES = pytest.mark.parametrize("change", [another_bit_order, another_name])


@pytest.mark.must_run
def test_the_pinned_sqlite_vec_keeps_chunks_as_they_are_read(fresh: pytest.MonkeyPatch) -> None:
    """Otherwise a query in a large library takes 15 times as long."""
    assert vec0_chunks.readable()


@pytest.mark.must_run
@CHANGES
@pytest.mark.parametrize("coded", [False, True])
def test_another_layout_changes_no_result(
    index: Index,
    units: Units,
    bulk: Bulk,
    fresh: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[pytest.MonkeyPatch], None],
    coded: bool,
) -> None:
    fresh.setattr(nearest, "EXACT", 100 if coded else 10_000)
    fresh.setattr(nearest, "FEW", 10)
    rows = units(1500, dimension=32)  # more than one chunk
    contents = bulk(rows, MODEL)
    for content in contents[100:200]:
        vectors.remove(index, content)
    nearest.rebuild(index)
    among = np.array(contents[50:900], np.int64)
    expected = [nearest.search(index, row, 40) for row in rows[:8]]
    expected_among = [nearest.search(index, row, 40, among) for row in rows[:8]]

    change(fresh)
    vec0_chunks.readable.cache_clear()
    assert not vec0_chunks.readable()
    assert "is read more slowly" in caplog.text
    for row, found, found_among in zip(rows, expected, expected_among, strict=False):
        assert nearest.search(index, row, 40).tolist() == found.tolist()
        assert nearest.search(index, row, 40, among).tolist() == found_among.tolist()
    assert nearest.check(index) == []


@CHANGES
def test_another_layout_is_rebuilt_and_dropped_all_the_same(
    index: Index,
    units: Units,
    bulk: Bulk,
    fresh: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    change(fresh)
    rows = units(300, dimension=32)
    contents = bulk(rows, MODEL)
    assert nearest.rebuild(index)
    assert nearest.rebuild(index)
    assert sum(nearest_table.exists(index.db, name) for name in nearest_table.NAMES) == 1
    vectors.save(index, contents[3], MODEL, {"passage": rows[4]})
    assert set(nearest.search(index, rows[4], 2).tolist()) == {contents[3], contents[4]}


@CHANGES
def test_damage_is_told_from_another_layout(
    index: Index,
    units: Units,
    bulk: Bulk,
    fresh: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    rows = units(50, dimension=32)
    bulk(rows, MODEL)
    change(fresh)
    with index.writing() as db:
        db.execute(f"DROP TABLE {nearest_table.name(db)}")
    with pytest.raises(nearest.Damaged):
        nearest.search(index, rows[0], 5)
    nearest.rebuild(index)
    assert len(nearest.search(index, rows[0], 5)) == 5


@pytest.mark.parametrize("kind", [np.float32, np.int8])
def test_both_ways_read_what_was_inserted_and_not_deleted(kind: type) -> None:
    db = load_extension(apsw.Connection(":memory:"))
    made = np.random.default_rng(2).integers(-100, 100, (2500, 16)).astype(kind)
    column = "vector float[16] distance_metric=cosine" if kind is np.float32 else "vector int8[16]"
    db.execute(f"CREATE VIRTUAL TABLE t USING vec0 (content INTEGER PRIMARY KEY, {column})")
    value = "?" if kind is np.float32 else "vec_int8(?)"
    with db:
        db.executemany(
            f"INSERT INTO t VALUES (?, {value})", ((n + 1, row.tobytes()) for n, row in enumerate(made))
        )
        db.executemany("DELETE FROM t WHERE content = ?", ((n,) for n in range(1, 2501, 3)))
    expected = {n + 1: row.tobytes() for n, row in enumerate(made) if n % 3}
    for read in (vec0_chunks._chunks(db, "t", kind, 16), vec0_chunks._selected(db, "t", "vector", kind, 16)):
        found = {int(n): row.tobytes() for ids, rows in read for n, row in zip(ids, rows, strict=True) if n}
        assert found == expected
    db.close()
