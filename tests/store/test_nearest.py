"""Nearest neighbours of a small library: exactly what a sort by cosine gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import MODEL, put, save_vectors, unit

from imgret.store.interface import Store
from imgret.store.records import IMAGE, SpaceTraits

NUMBERS = st.lists(st.integers(-9, 9), min_size=3, max_size=3).filter(any)


@settings(max_examples=30, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=8), NUMBERS, st.integers(1, 9))
def test_the_nearest_are_those_of_the_greatest_cosines(
    engine: Engine, rows: list[list[int]], query_row: list[int], count: int
) -> None:
    with engine.empty() as store:
        vectors = {}
        for number, row in enumerate(rows):
            content = put(store, b"/photos/%d.jpg" % number)
            vectors[content] = unit(*row)
            save_vectors(store, content, passage=vectors[content])
        query = unit(*query_row)
        cosines = {content: float(vector @ query) for content, vector in vectors.items()}
        best = sorted(cosines.values(), reverse=True)[:count]
        space = store.vectors.active_space()
        assert space is not None
        for search in (store.nearest.search, store.nearest.scan):
            found = search(space, query, count).tolist()
            assert len(found) == len(set(found)) == len(best)
            assert np.allclose([cosines[content] for content in found], best, atol=2e-3)  # kept as float16
            some = np.array(sorted(vectors)[::2], np.int64)
            assert set(search(space, query, count, some).tolist()) <= set(some.tolist())


@pytest.mark.parametrize("vector", [[0, 0], [np.nan, 1], [2, 0]], ids=["zero", "not a number", "too long"])
def test_a_vector_that_cannot_be_searched_is_refused(store: Store, vector: list[float]) -> None:
    content = put(store, b"/photos/a.jpg")
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is for developers
        save_vectors(store, content, passage=np.array(vector, np.float32))
    assert store.results.identities(content) == {}


def test_the_contents_with_a_leading_vector(store: Store) -> None:
    first, second, third = (put(store, b"/photos/%d.jpg" % number) for number in range(3))
    save_vectors(store, second, passage=unit(1, 0))
    save_vectors(store, first, passage=unit(0, 1))
    save_vectors(store, third, captions=unit(0, 1))
    store.vectors.save(third, MODEL, {"image": unit(1, 1)}, IMAGE, SpaceTraits("image"))
    found = {space.stage: store.nearest.contents(space).tolist() for space in store.vectors.active_spaces()}
    assert found == {"embed": [first, second], IMAGE: [third]}


def test_two_spaces_have_most_of_an_even_sample_in_common(store: Store) -> None:
    with store.writing():
        for number in range(120):
            content = put(store, b"/photos/%d.jpg" % number)
            save_vectors(store, content, passage=unit(1, number))
            if number % 5 != 3:
                store.vectors.save(content, MODEL, {"image": unit(1, number)}, IMAGE, SpaceTraits("image"))
    samples = [
        set(store.vectors.evenly_spread(space, 30).tolist()) for space in store.vectors.active_spaces()
    ]
    assert [len(sample) for sample in samples] == [30, 30]
    assert len(samples[0] & samples[1]) >= 20


def test_the_samples_of_two_spaces_are_the_same_where_one_space_lacks_the_first_and_the_last_photos(
    store: Store,
) -> None:
    with store.writing():
        for number in range(400):
            content = put(store, b"/photos/%d.jpg" % number)
            save_vectors(store, content, passage=unit(1, number))
            if 7 <= number < 397:
                store.vectors.save(content, MODEL, {"image": unit(1, number)}, IMAGE, SpaceTraits("image"))
    text, image = (
        set(store.vectors.evenly_spread(space, 20).tolist()) for space in store.vectors.active_spaces()
    )
    assert len(text) == len(image) == 20
    assert len(text & image) >= 17


def test_a_sample_of_a_few_new_photos_of_a_large_library(store: Store) -> None:
    with store.writing():
        contents = [put(store, b"/photos/%d.jpg" % number) for number in range(3000)]
        for number, content in enumerate(contents[-40:]):
            save_vectors(store, content, passage=unit(1, number))
    space = store.vectors.active_space()
    assert space is not None
    for count, there in ((2, 2), (10, 10), (40, 40), (100, 40)):
        sample = store.vectors.evenly_spread(space, count).tolist()
        assert len(sample) == len(set(sample)) == there
        assert set(sample) <= set(contents[-40:])
        assert sample == sorted(sample)
