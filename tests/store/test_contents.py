"""Contents: facts, hashes, copies, and how they are forgotten."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import (
    CAPTION,
    DAY,
    NOW,
    caption_of,
    decode,
    delete,
    describe,
    digest,
    put,
    save_vectors,
    unit,
)

from imgret.photo import Facts
from imgret.store import policy
from imgret.store.clauses import Clause, Objects
from imgret.store.interface import Store

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
FACTS = st.builds(
    Facts,
    format=TEXTS,
    width=st.integers(1, 2**31),
    height=st.integers(1, 2**31),
    taken_at=st.none() | st.integers(-(2**40), 2**40),
    camera=st.none() | TEXTS,
    latitude=st.none() | st.floats(-90, 90),
    longitude=st.none() | st.floats(-180, 180),
    truncated=st.booleans(),
    subsecond=st.none() | st.text("0123456789", min_size=1, max_size=9),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(FACTS, min_size=1, max_size=4))
def test_facts_come_back_as_they_were_saved(engine: Engine, all_facts: list[Facts]) -> None:
    with engine.empty() as store:
        content = put(store, b"/photos/a.jpg")
        assert store.contents.facts(content) is None
        for number, facts in enumerate(all_facts):
            store.contents.save_facts(content, facts, digest(str(number)), look=None)
            assert store.contents.facts(content) == facts
            assert store.results.pixels(content) == digest(str(number))


def test_a_degree_keeps_all_its_digits(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    decode(store, content, latitude=math.pi, longitude=-math.e)
    facts = store.contents.facts(content)
    assert facts is not None
    assert (facts.latitude, facts.longitude) == (math.pi, -math.e)


def test_a_content_is_known_by_its_hash(store: Store) -> None:
    content = put(store, b"/photos/a.jpg", "bytes")
    assert store.contents.hash_of(content) == digest("bytes")
    assert store.contents.content_named(digest("bytes")) == content
    assert store.contents.content_named(digest("others")) is None
    assert store.contents.hash_of(content + 1) is None
    assert store.contents.facts(content + 1) is None
    assert store.contents.look(content + 1) is None


def test_later_contents_have_larger_ids(store: Store, second: Store) -> None:
    made = [put(each, b"/photos/%d.jpg" % number) for number, each in enumerate([store, second] * 5)]
    assert made == sorted(set(made))
    assert made[0] > 0


def test_copies_are_the_same_bytes_or_the_same_pixels(store: Store) -> None:
    one, turned, other, gone = (
        put(store, b"/photos/%s.jpg" % name) for name in (b"1", b"turned", b"2", b"gone")
    )
    for content, pixels in ((one, "picture"), (turned, "picture"), (other, "another"), (gone, "picture")):
        decode(store, content, pixels)
    delete(store, b"/photos/gone.jpg")
    assert store.contents.copies(content=one) == [turned]
    assert store.contents.copies(content=gone) == [one, turned]
    assert store.contents.copies(content=other) == []
    assert store.contents.copies(hash_=digest("/photos/turned.jpg")) == [turned, one]  # the same bytes first
    assert store.contents.copies(hash_=digest("/photos/gone.jpg")) == [one, turned]
    assert store.contents.copies(pixels=digest("picture")) == [one, turned]
    assert store.contents.copies(pixels=digest("nothing")) == []
    assert store.contents.copies(hash_=digest("nothing")) == []


def test_contents_that_were_not_decoded_are_no_copies_of_each_other(store: Store) -> None:
    one = put(store, b"/photos/1.jpg")
    put(store, b"/photos/2.jpg")
    assert store.contents.copies(content=one) == []


def test_tombstones_are_kept_30_days_and_notes_for_good(store: Store) -> None:
    noted, plain = put(store, b"/photos/a.jpg"), put(store, b"/photos/b.jpg")
    for content in (noted, plain):
        decode(store, content)
        describe(store, content, caption="a dog", objects={"dog": 2}, topics=["sports"])
        save_vectors(store, content, passage=unit(1, 2), caption=unit(2, 1))
    store.results.write_note(noted, "keep me")
    root = store.roots.all()[0].id
    assert store.photos.mark_deleted(root, b"", [b"a.jpg", b"b.jpg", b"never.jpg"], 100) == 2
    assert store.contents.purge(100 + policy.KEEP_TOMBSTONES) == 0
    assert store.photos.find(b"/photos/b.jpg") is not None
    assert store.contents.purge(101 + policy.KEEP_TOMBSTONES) == 1
    assert store.photos.find(b"/photos/b.jpg") is None
    assert store.contents.hash_of(plain) is None
    assert store.results.payloads(plain) == {}
    assert store.results.note(noted) == "keep me"
    assert caption_of(store, noted) == "a dog"


@pytest.mark.parametrize("few", [0, 100], ids=["many pass", "few pass"])
def test_a_content_without_any_photo_passes_no_filter(
    store: Store, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgret.store.sqlite.filters.FEW", few)
    kept = [put(store, b"/photos/%d.jpg" % number) for number in range(3)]
    noted, edited = put(store, b"/photos/a.jpg"), put(store, b"/photos/b.jpg", "before")
    for content in (*kept, noted, edited):
        decode(store, content)
        describe(store, content, objects={"dog": 1})
    store.results.write_note(noted, "keep me")
    delete(store, b"/photos/a.jpg", NOW)
    store.contents.purge(NOW + policy.KEEP_TOMBSTONES + 1)
    put(store, b"/photos/b.jpg", "after")
    assert store.contents.hash_of(noted)
    assert store.contents.hash_of(edited)
    dogs = [Clause(Objects("dog", 1, 9))]
    assert store.filters.matching(dogs).tolist() == kept


def test_a_content_that_was_forgotten_is_new_when_it_comes_back(store: Store) -> None:
    before = put(store, b"/photos/a.jpg")
    decode(store, before)
    describe(store, before, caption="a zebra", objects={"zebra": 1}, topics=["animals"])
    save_vectors(store, before, passage=unit(1, 2))
    store.work.queue(before, [CAPTION])
    delete(store, b"/photos/a.jpg", NOW)
    assert store.contents.purge(NOW + 31 * DAY) == 1
    content = put(store, b"/photos/a.jpg")
    assert store.contents.facts(content) is None
    assert store.results.payloads(content) == {}
    assert store.results.identities(content) == {}
    assert store.work.of(content) == {}
    assert store.facets.labels() == []
    assert store.words.best(store.words.terms(["zebra"]), 9, 99).tolist() == []
    assert [store.nearest.count(space) for space in store.vectors.active_spaces()] in ([], [0])


def test_a_copy_keeps_a_content_from_being_forgotten(store: Store) -> None:
    content = put(store, b"/photos/a.jpg", "same")
    put(store, b"/photos/b.jpg", "same")
    delete(store, b"/photos/a.jpg", 1)
    assert store.contents.purge(NOW) == 0
    assert [photo.path for photo in store.photos.paths(content)] == [b"/photos/b.jpg"]
    assert store.photos.find(b"/photos/a.jpg") is None


def test_many_contents_are_forgotten_in_steps(
    store: Store, second: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgret.store.shared.content_queries.FORGOTTEN", 2)
    contents = [put(store, b"/photos/%d.jpg" % number, now=1) for number in range(7)]
    delete(store, b"/photos/0.jpg", NOW)
    store.photos.mark_deleted(store.roots.all()[0].id, b"", [b"%d.jpg" % number for number in range(7)], 1)
    second.results.write_note(contents[3], "keep me")
    assert (
        store.contents.purge(2 + policy.KEEP_TOMBSTONES) == 5
    )  # not the noted one, nor the one deleted later
    assert [each for each in contents if store.contents.hash_of(each)] == [contents[0], contents[3]]
    assert store.contents.purge(2 + policy.KEEP_TOMBSTONES) == 0
