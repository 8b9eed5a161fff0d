"""Results in libraries with many deleted photos, many copies, and large limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.photo import Facts, ModelIdentity
from imgret.search import copy_folding, rank, scoring
from imgret.search.parse import ParsedQuery
from imgret.search.warm_index import WarmIndex
from imgret.store.clauses import Clause, Taken
from imgret.store.interface import Store
from imgret.store.sqlite import vectors, words

MODEL = ModelIdentity("given", "1")
Units = Callable[..., Any]
Bulk = Callable[[Sequence[Any], ModelIdentity], list[int]]


class Given:
    identity = MODEL

    def __init__(self, vector: Any) -> None:
        self._vector = vector

    def vectors(self, texts: Sequence[str]) -> Any:
        return np.stack([self._vector for _ in texts])


@pytest.mark.parametrize("warmed", [False, True])
@pytest.mark.parametrize("clauses", [(), (Clause(Taken(0, None)),)])
def test_the_nearest_living_photos_are_found_behind_any_number_of_deleted_ones(
    store: Store, units: Units, bulk: Bulk, warmed: bool, clauses: tuple[Clause, ...]
) -> None:
    rows = units(1500, dimension=16)
    contents = np.array(bulk(rows, MODEL))
    query = units(1, dimension=16, seed=7)[0]
    order = np.argsort(-(rows @ query))
    root = store.roots.all()[0].id
    store.photos.mark_deleted(root, b"", [b"%d.jpg" % contents[at] for at in order[:1000]], now=5)
    warm = WarmIndex(store) if warmed else None
    question = ParsedQuery("anything", clauses=clauses)
    found = rank.search(store, question, Given(query), rank="vector", limit=10, all_copies=True, warm=warm)
    assert {hit.content for hit in found.hits} == set(contents[order[1000:1010]].tolist())
    alive = store.filters.living(contents)
    assert set(contents[~alive].tolist()) == set(store.filters.nowhere().tolist())


def test_a_large_limit_takes_bounded_memory(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 64)
    rows = units(600, dimension=512)
    contents = bulk(rows, MODEL)
    held: list[int] = []
    real = vectors.Vectors.of

    def of(group: Any, space: Any, ids: Any, views: Any) -> Any:
        held.append(len(ids))
        return real(group, space, ids, views)

    monkeypatch.setattr(vectors.Vectors, "of", of)
    found = rank.search(store, ParsedQuery("x"), Given(rows[3]), limit=100_000, all_copies=True)
    assert {hit.content for hit in found.hits} == set(contents)
    assert max(held[1:]) <= 64  # all but the sample for the strengths
    assert found.hits[0].content == contents[3]


@pytest.mark.parametrize(("limit", "pool"), [(20, 80), (100_000, 100_000 + rank.MOST_MORE)])
def test_the_candidates_for_a_whole_library_are_not_four_times_as_many(
    store: Store, monkeypatch: pytest.MonkeyPatch, limit: int, pool: int
) -> None:
    counts: list[int] = []

    def best(group: Any, terms: Any, count: int, *rest: Any, **more: Any) -> Any:
        counts.append(count)
        return np.zeros(0, np.int64)

    monkeypatch.setattr(words.Words, "best", best)
    rank.search(store, ParsedQuery("x", ("x",)), None, rank="words", limit=limit)
    assert counts == [pool]


SHOTS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 30)),  # when
        st.sampled_from(["A", "B"]),  # camera
        st.sampled_from([None, "a dog"]),
        st.integers(0, 2),  # dogs
        st.integers(0, 6),  # pixels
    ),
    max_size=40,
)


@given(SHOTS)
def test_shots_are_folded_as_when_each_is_compared_with_all_before(shots: list[Any]) -> None:
    pixels = {
        number: b"p%d" % shot[4] if shot[4] < 5 else b"own %d" % number for number, shot in enumerate(shots)
    }
    seen = copy_folding.FoldedCopies(None, ())  # type: ignore[arg-type]
    seen._hash = lambda content: pixels[content]  # type: ignore[method-assign]
    kept: list[tuple[int, int]] = []  # (number, place)
    for number, (when, camera, caption, dogs, _) in enumerate(shots):
        facts = Facts("JPEG", 4, 3, when, camera)
        shown = partial(dict, caption=caption, objects={"dog": dogs} if dogs else {})
        expected = _slowly(shots, pixels, kept, number)
        place = seen.place(number, facts, shown)
        assert place == expected
        if place is not None:
            assert seen.may_hold(number, facts)
        add = seen.add_hit if place is None else seen.add_copy
        place = len(kept) if place is None else place
        kept.append((number, place))
        add(place, number, facts, shown)


def _slowly(
    shots: list[Any], pixels: dict[int, bytes], kept: list[tuple[int, int]], number: int
) -> int | None:
    same = [place for other, place in kept if pixels[other] == pixels[number]]
    if same:
        return same[-1]
    when, camera, caption, dogs, _ = shots[number]
    if when is None or not (caption or dogs):
        return None
    for other, place in kept:
        at, *look, _ = shots[other]
        if (
            at is not None
            and abs(at - when) <= copy_folding.SAME_WORDS_GAP
            and look == [camera, caption, dogs]
        ):
            return place
    return None
