"""Which contents pass the filters, while others write and search."""

from __future__ import annotations

import threading

import numpy as np
from store_library import MODEL, put, unit

from imgret.photo import Tag
from imgret.search import rank
from imgret.search.parse import ParsedQuery
from imgret.search.warm_index import WarmIndex
from imgret.store.clauses import Clause, Tagged
from imgret.store.factory import open_store
from imgret.store.filter_masks import KEPT, FilterMasks
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store

ROME = Tag("keyword", "rome")
FILTER = (Clause(Tagged("keyword", "rome")),)
QUERY = np.array(unit(1, 2, 0), np.float32)


def _library(store: Store, photos: int = 4) -> list[int]:
    contents = [put(store, b"/photos/%d.jpg" % number, str(number)) for number in range(photos)]
    for number, content in enumerate(contents):
        _describe(store, content, number)
    store.results.import_tags(contents[0], [ROME])
    return contents


def _describe(store: Store, content: int, number: int) -> None:
    store.vectors.save(content, MODEL, {"passage": np.array(unit(1, number, 2), np.float32)})


def _passing(masks: FilterMasks, store: Store) -> list[int]:
    return np.flatnonzero(masks.passing(store, FILTER)).tolist()


def _memory(store: Store) -> InMemoryIndex:
    space = store.vectors.active_space()
    assert space is not None
    return InMemoryIndex(store, space)


def test_a_mask_is_of_the_transaction_that_asks(store: Store, second: Store) -> None:
    contents = _library(store)
    masks = FilterMasks()
    with second.reading():
        assert _passing(masks, second) == contents[:1]
        store.results.import_tags(contents[1], [ROME])
        assert _passing(masks, store) == contents[:2]
        assert _passing(masks, second) == contents[:1]  # still its snapshot
        assert _passing(masks, store) == contents[:2]
    assert _passing(masks, second) == contents[:2]


def test_a_mask_is_renewed_after_a_write_of_its_own_connection(store: Store) -> None:
    contents = _library(store)
    masks = FilterMasks()
    assert _passing(masks, store) == contents[:1]
    store.results.import_tags(contents[2], [ROME])
    assert _passing(masks, store) == [contents[0], contents[2]]


def test_few_masks_are_kept(store: Store) -> None:
    _library(store)
    masks = FilterMasks()
    first = masks.passing(store, FILTER)
    assert masks.passing(store, FILTER) is first
    for number in range(KEPT):
        masks.passing(store, [Clause(Tagged("keyword", str(number)))])
    assert masks.passing(store, FILTER) is not first


def test_a_search_that_began_before_a_commit_leaves_nothing_old_behind(store: Store, second: Store) -> None:
    contents = _library(store)
    warm = WarmIndex(store)
    query = ParsedQuery(clauses=FILTER)

    def hits(of: Store) -> list[int]:
        found = rank.search(of, query, None, towards=QUERY, warm=warm, all_copies=True)
        return sorted(hit.content for hit in found.hits)

    with open_store(store.path) as other, other.reading():
        assert hits(other) == contents[:1]
        store.results.import_tags(contents[1], [ROME])
        assert hits(second) == contents[:2]
        assert hits(other) == contents[:1]
        assert hits(second) == contents[:2]


def test_a_photo_is_found_while_its_vector_is_replaced(store: Store, second: Store) -> None:
    contents = _library(store)
    memory, masks = _memory(store), FilterMasks()
    mask = masks.passing(second, FILTER)
    assert memory.nearest(QUERY, 3, mask).tolist() == contents[:1]
    _describe(store, contents[0], 3)
    assert memory.refresh(store)  # by another thread, between the filters of a search and its vectors
    assert memory.nearest(QUERY, 3, mask).tolist() == contents[:1]


def test_a_transaction_that_is_older_than_the_memory_changes_nothing(store: Store, second: Store) -> None:
    contents = _library(store)
    memory = _memory(store)
    assert memory.refresh(second)
    with open_store(store.path) as other:
        with other.reading():
            other.facets.labels()  # the snapshot
            for number in (4, 5, 6):
                _describe(store, put(store, b"/photos/%d.jpg" % number, str(number)), number)
            assert memory.refresh(second)
            assert memory.refresh(other)
        _describe(store, put(store, b"/photos/7.jpg", "7"), 7)
        assert memory.refresh(second)
        assert memory.refresh(other)
    assert (len(memory), memory.rows) == (len(contents) + 4, len(contents) + 4)


def test_every_photo_is_found_by_many_threads_while_vectors_are_replaced(store: Store) -> None:
    contents = _library(store)
    warm = WarmIndex(store)
    query = ParsedQuery(clauses=FILTER)
    missed: list[object] = []
    over = threading.Event()

    def search() -> None:
        with open_store(store.path) as own:
            while not over.is_set():
                found = rank.search(own, query, None, towards=QUERY, warm=warm)
                if [hit.content for hit in found.hits] != contents[:1]:
                    missed.append(found)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(60):
        _describe(store, contents[0], number % 7)
    over.set()
    for thread in threads:
        thread.join(60)
    assert not missed
