"""The nearest-neighbour table is read right, whichever way sqlite-vec keeps its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw
import numpy as np
import pytest
from text_spaces import table, text_space

from imgret.photo import ModelIdentity
from imgret.store.interface import Store
from imgret.store.records import Damaged
from imgret.store.sqlite import nearest, nearest_table, vec0_chunks
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
    store: Store,
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
        store.vectors.remove(content)
    store.nearest.rebuild(text_space(store))
    among = np.array(contents[50:900], np.int64)
    expected = [store.nearest.search(text_space(store), row, 40) for row in rows[:8]]
    expected_among = [store.nearest.search(text_space(store), row, 40, among) for row in rows[:8]]

    change(fresh)
    vec0_chunks.readable.cache_clear()
    assert not vec0_chunks.readable()
    assert "is read more slowly" in caplog.text
    for row, found, found_among in zip(rows, expected, expected_among, strict=False):
        assert store.nearest.search(text_space(store), row, 40).tolist() == found.tolist()
        assert store.nearest.search(text_space(store), row, 40, among).tolist() == found_among.tolist()
    assert store.nearest.check(text_space(store)) == []


@CHANGES
def test_another_layout_is_rebuilt_and_dropped_all_the_same(
    store: Store,
    units: Units,
    bulk: Bulk,
    fresh: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    change(fresh)
    rows = units(300, dimension=32)
    contents = bulk(rows, MODEL)
    assert store.nearest.rebuild(text_space(store))
    assert store.nearest.rebuild(text_space(store))
    assert (
        sum(nearest_table.exists(store.db, name) for name in nearest_table.names(text_space(store).id)) == 1
    )
    store.vectors.save(contents[3], MODEL, {"passage": rows[4]})
    assert set(store.nearest.search(text_space(store), rows[4], 2).tolist()) == {contents[3], contents[4]}


@CHANGES
def test_damage_is_distinguished_from_another_layout(
    store: Store,
    units: Units,
    bulk: Bulk,
    fresh: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    rows = units(50, dimension=32)
    bulk(rows, MODEL)
    change(fresh)
    with store.writing() as db:
        db.execute(f"DROP TABLE {table(store)}")
    with pytest.raises(Damaged):
        store.nearest.search(text_space(store), rows[0], 5)
    store.nearest.rebuild(text_space(store))
    assert len(store.nearest.search(text_space(store), rows[0], 5)) == 5


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
