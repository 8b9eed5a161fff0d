"""Results of stages: their models, their contents, and how they are copied to equal images."""

from __future__ import annotations

import numpy as np
import pytest
from store_library import (
    CAPTION,
    DETECT,
    EMBED,
    MODEL,
    OTHER_MODEL,
    STAGES,
    TOPICS,
    caption_of,
    decode,
    describe,
    digest,
    put,
    save_caption,
    save_vectors,
    unit,
)

from imgret.store.interface import Store
from imgret.store.records import SpaceTraits, TextColumn


@pytest.fixture
def source(store: Store) -> int:
    """A content that has everything."""
    content = put(store, b"/photos/a.jpg")
    decode(store, content, "pixels")
    describe(store, content, caption="a dog", objects={"dog": 2}, topics=["sports"])
    save_vectors(store, content, passage=unit(1, 2, 3), caption=unit(3, 2, 1))
    return content


def test_a_result_names_its_model(store: Store, source: int) -> None:
    assert store.results.identities(source) == dict.fromkeys((CAPTION, DETECT, TOPICS, EMBED), MODEL)
    save_caption(store, source, "a cat", OTHER_MODEL)
    assert store.results.identities(source)[CAPTION] == OTHER_MODEL
    assert caption_of(store, source) == "a cat"


def test_a_result_may_be_empty(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    assert store.results.payloads(content) == {}
    describe(store, content, caption="", objects={}, topics=[])
    assert store.results.payloads(content) == {CAPTION: "[]", DETECT: "{}", TOPICS: "[]"}


def test_a_stage_is_forgotten_without_a_trace(store: Store, source: int) -> None:
    store.work.queue(source, [DETECT, CAPTION])
    assert store.stages() >= {CAPTION, DETECT, TOPICS, EMBED}
    store.forget_stage(DETECT)
    assert DETECT not in store.stages()
    assert set(store.results.identities(source)) == {CAPTION, TOPICS, EMBED}
    assert set(store.work.of(source)) == {CAPTION}
    assert store.facets.labels() == []
    assert caption_of(store, source) == "a dog"


def test_a_twin_takes_everything_over(store: Store, source: int) -> None:
    target = put(store, b"/photos/b.jpg")
    store.work.queue(target, STAGES)
    assert store.results.twin(target, digest("pixels"), STAGES) == source
    assert store.results.twin(target, digest("other pixels"), STAGES) is None
    assert store.results.twin(source, digest("pixels"), STAGES) is None  # none is its own
    assert {CAPTION, DETECT, TOPICS, EMBED} <= store.results.copy(source, target)
    assert store.results.payloads(target) == store.results.payloads(source)
    assert store.results.identities(target) == store.results.identities(source)
    found = store.words.best(store.words.terms(["dog"]), 9, 99).tolist()
    assert sorted(found) == [source, target]


def test_a_column_may_have_a_name_that_means_something_in_sql(store: Store, source: int) -> None:
    there = [column for column in store.text_columns.all() if column.stage is not None]
    store.text_columns.set([*there, TextColumn("order", "colour", substrings=True)])
    store.results.save(source, "colour", MODEL, ["vermilion"], texts={"order": "vermilion"})
    target = put(store, b"/photos/b.jpg")
    store.results.copy(source, target)
    assert sorted(store.words.best(store.words.terms(["vermilion"]), 9, 99).tolist()) == [source, target]
    store.text_columns.set(there)
    assert store.words.best(store.words.terms(["vermilion"]), 9, 99).tolist() == []


def test_a_twin_replaces_neither_results_nor_vectors_that_are_there(store: Store, source: int) -> None:
    target = put(store, b"/photos/b.jpg")
    store.results.write_note(target, "zebra")
    save_vectors(store, target, passage=unit(0, 0, 1), note=unit(0, 1, 0))
    store.results.save(source, "other", MODEL, 1, vectors={"view": unit(1, 0)}, space=SpaceTraits("view"))
    assert CAPTION in store.results.copy(source, target)
    texts, other = store.vectors.active_spaces()
    own = store.vectors.of(texts, np.array([target]), ["passage", "caption", "note"])
    assert np.allclose(own["passage"], [[0, 0, 1]], atol=1e-3)
    assert np.allclose(own["note"], [[0, 1, 0]], atol=1e-3)
    assert np.isnan(own["caption"]).all()
    assert np.allclose(store.vectors.of(other, np.array([target]), ["view"])["view"], [[1, 0]], atol=1e-3)
    assert store.nearest.search(texts, unit(0, 0, 1), 1).tolist() == [target]
    assert store.nearest.search(other, unit(1, 0), 9).tolist() == [source, target]


def test_one_that_is_still_to_be_described_is_no_twin(store: Store, source: int) -> None:
    target = put(store, b"/photos/b.jpg")
    store.work.queue(source, [CAPTION])
    assert store.results.twin(target, digest("pixels"), [CAPTION, EMBED]) is None
    assert store.results.twin(target, digest("pixels"), [EMBED]) == source  # captions cannot be made anyway


def test_a_note_of_its_own_keeps_the_vectors_of_a_copy_waiting(store: Store, source: int) -> None:
    target = put(store, b"/photos/b.jpg")
    store.results.write_note(target, "mine")
    assert EMBED not in store.results.copy(source, target)
    assert store.results.note(target) == "mine"
    assert store.results.note(source) is None


def test_results_notes_and_names_are_found_as_words(store: Store, source: int) -> None:
    store.results.write_note(source, "zebra")
    terms = [store.words.terms([word]) for word in ("dog", "sports", "zebra", "photos")]
    before = [store.words.best(each, 9, 99).tolist() for each in terms]
    assert before == [[source]] * 4
    assert store.documents.check() == []
