"""The vectors in memory find what the tables find, and follow what others write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from text_spaces import text_space

from imgret.photo import ModelIdentity
from imgret.search.warm_index import WarmIndex
from imgret.store.factory import open_store
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits
from imgret.store.sqlite import nearest

A, B = ModelIdentity("a", "1"), ModelIdentity("b", "1")
Units = Callable[..., Any]
Bulk = Callable[..., list[int]]


def exact(matrix: Any, query: Any, count: int) -> list[int]:
    return list(np.argsort(-(matrix @ query), kind="stable")[:count])


@pytest.mark.parametrize("coded", [False, True])
def test_the_index_in_memory_equals_the_table_after_changes(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, coded: bool
) -> None:
    from imgret.store import coded_rows as module

    monkeypatch.setattr(nearest, "EXACT", 500 if coded else 10_000)
    monkeypatch.setattr(module, "WIDELY", 200)
    rows = units(1200, dimension=64)
    contents = bulk(rows[:1000], A)
    store.nearest.rebuild_if_outgrown(text_space(store))
    memory = InMemoryIndex(store, text_space(store))
    assert len(memory) == 1000

    def recall(known: int) -> float:
        shares = []
        for query in units(10, dimension=64, seed=3):
            found = memory.nearest(query, 80).tolist()
            shares.append(len({contents[at] for at in exact(rows[:known], query, 20)} & set(found)) / 20)
        return float(np.mean(shares))

    assert recall(1000) >= 0.99
    with open_store(store.path) as other, other.writing():  # as another thread or process writes
        other.vectors.save(contents[0], A, {"passage": rows[1199]})
    assert memory.refresh(store)
    assert memory.nearest(rows[1199], 1).tolist() == [contents[0]]
    with open_store(store.path) as other:
        other.vectors.save(contents[0], A, {"passage": rows[0]})
    new = open_store(store.path)
    contents += _bulk_into(new, rows[1000:], A)
    new.close()
    assert memory.refresh(store)
    assert len(memory) == 1200
    assert recall(1200) >= 0.99


def _bulk_into(other: Store, rows: Any, model: ModelIdentity) -> list[int]:
    made = []
    with other.writing() as db:
        for row in rows:
            db.execute("INSERT INTO content (hash) VALUES (randomblob(32))")
            made.append(db.last_insert_rowid())
            other.vectors.save(made[-1], model, {"passage": row})
    return made


def test_the_index_in_memory_of_another_embedder_is_not_used(store: Store, units: Units, bulk: Bulk) -> None:
    contents = bulk(units(3), A)
    memory = InMemoryIndex(store, text_space(store))
    with open_store(store.path) as other:
        for content, row in zip(contents, units(3, dimension=8), strict=True):
            other.vectors.save(content, B, {"passage": row})
        assert memory.refresh(store)
        other.vectors.activate_when_complete(B)
    assert not memory.refresh(store)
    assert InMemoryIndex(store, text_space(store)).refresh(store)


def test_what_is_in_memory_follows_the_spaces_that_are_searched(store: Store, units: Units) -> None:
    warm = WarmIndex(store)
    assert not warm.refresh(store)  # nothing to search
    with open_store(store.path) as other:
        contents = _bulk_into(other, units(4), A)
    assert not warm.refresh(store)  # a space that it does not have
    warm = WarmIndex(store)
    assert warm.refresh(store)
    with open_store(store.path) as other:
        colours = units(4, dimension=3)
        for content, row in zip(contents, colours, strict=True):
            other.vectors.save(content, B, {"mean": row}, "colour", SpaceTraits("mean", 1.0))
    assert not warm.refresh(store)
    warm = WarmIndex(store)
    assert warm.refresh(store)
    colour = store.vectors.active_space("colour")
    assert colour is not None
    assert warm.memories[colour.id].nearest(colours[2], 1).tolist() == [contents[2]]
    assert len(warm) == 8
