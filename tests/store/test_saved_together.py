"""Saving a batch of photos together: the same as saving them one by one, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import (
    CAPTION,
    DAY,
    DECODE,
    DETECT,
    EMBED,
    MODEL,
    NOW,
    OTHER_MODEL,
    TOPICS,
    caption_of,
    put,
    save_caption,
    save_objects,
    save_topics,
    save_vectors,
    unit,
)

from imgret.photo import Facts, PhotoDate
from imgret.store.interface import Store

STAGES = (DECODE, CAPTION, DETECT, TOPICS, EMBED)
WORDS = ["dog", "red dog", "", "beach; café", "a\0b"]
Step = Callable[[Store, int], object]

photos = st.integers(0, 1)  # few, so that steps meet
models = st.sampled_from([MODEL, OTHER_MODEL])
stages = st.lists(st.sampled_from([CAPTION, TOPICS, EMBED]), min_size=1, max_size=3)
# What is done with a photo; a step may read what an earlier one has written.
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda text, model: lambda s, c: save_caption(s, c, text, model), st.sampled_from(WORDS), models
    ),
    st.builds(
        lambda counts, model: lambda s, c: save_objects(s, c, counts, model),
        st.dictionaries(st.sampled_from(["dog", "cat"]), st.integers(1, 3)),
        models,
    ),
    st.builds(
        lambda names: lambda s, c: save_topics(s, c, names), st.sets(st.sampled_from(["sports", "art"]))
    ),
    st.builds(
        lambda x, views: lambda s, c: save_vectors(s, c, **dict.fromkeys(views, unit(1, x, 2))),
        st.integers(0, 5),
        st.sampled_from([["passage"], ["passage", "captions"]]),
    ),
    st.builds(
        lambda width, taken: lambda s, c: s.contents.save_facts(c, Facts("PNG", width, 3, taken), b"p" * 32),
        st.integers(1, 9),
        st.none() | st.integers(NOW - DAY, NOW),
    ),
    st.builds(
        lambda at: lambda s, c: s.contents.save_date(c, at and PhotoDate(at, "name")),
        st.none() | st.integers(1, NOW),
    ),
    st.builds(
        lambda place: lambda s, c: s.contents.save_position(c, place), st.none() | st.just((41.5, -12.25))
    ),
    st.builds(lambda names, request: lambda s, c: s.work.queue(c, names, request), stages, st.integers(0, 2)),
    st.builds(lambda names: lambda s, c: s.work.done(c, names), stages),
    st.builds(lambda names: lambda s, c: s.work.failed(c, names, "broken", NOW), stages),
    st.builds(lambda text: lambda s, c: s.results.write_note(c, text), st.sampled_from(["", "zebra"])),
    st.just(lambda s, c: s.results.refresh_words(c)),
    st.just(lambda s, c: s.notes.settle(c, None)),
    st.just(lambda s, c: s.work.queue(c, [TOPICS]) if s.results.payloads(c) else None),
    st.just(lambda s, c: save_caption(s, c, str(sorted(s.work.of(c))))),
    st.just(lambda s, c: save_topics(s, c, [s.results.note(c) or "none"])),
)


def _read(store: Store, content: int) -> object:
    space = store.vectors.active_space(EMBED)
    return (
        store.contents.facts(content),
        store.contents.date(content),
        store.results.pixels(content),
        store.results.payloads(content),
        store.results.identities(content),
        store.results.note(content),
        store.work.of(content),
        caption_of(store, content),
        space
        and {
            view: ids.tolist()
            for view in ("passage", "captions")
            for ids, _ in [store.vectors.all(space, view)]
        },
    )


def _whole(store: Store, contents: list[int]) -> object:
    """All that can be read of a library."""
    terms = [store.words.terms([word]) for word in ("dog", "sports", "zebra", "caption", "cat", "none")]
    claimed = store.work.claim(STAGES, 9, NOW)
    return (
        [_read(store, content) for content in contents],
        [sorted(store.words.best(each, 9, 99).tolist()) for each in terms],
        sorted(store.facets.labels()),
        store.summary.totals(),
        [(claim.content, claim.stages, claim.position) for claim in claimed],
        store.documents.check(),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(photos, steps), min_size=20, max_size=60),
    st.booleans(),
    st.sampled_from(["all", "these"]),
)
def test_a_batch_equals_its_photos_one_by_one(
    engine: Engine, done: list[tuple[int, Step]], expected: bool, locked: str
) -> None:
    def do(store: Store, contents: list[int]) -> None:
        if expected:
            store.expect(contents)
        for number, step in done:
            step(store, contents[number])

    found = []
    for together in (True, False):
        with engine.empty() as store:
            contents = [put(store, b"/photos/%d.jpg" % number, str(number)) for number in range(3)]
            for content in contents:
                store.work.queue(content, STAGES)
            if together and locked == "these":
                store.changing(contents, partial(do, store, contents))
            elif together:
                with store.writing():
                    do(store, contents)
            else:
                do(store, contents)
            found.append(_whole(store, contents))
    assert found[0] == found[1]


@pytest.mark.parametrize("locked", ["all", "these"])
def test_a_batch_that_is_undone_leaves_nothing(store: Store, locked: str) -> None:
    content = put(store, b"/photos/a.jpg")
    store.work.queue(content, [CAPTION])
    before = _read(store, content)

    def fail() -> None:
        store.expect([content])
        save_caption(store, content, "a dog")
        save_vectors(store, content, passage=unit(1, 2, 3))
        store.contents.save_facts(content, Facts("PNG", 4, 3), b"p" * 32)
        store.work.done(content, [CAPTION])
        raise KeyError

    with pytest.raises(KeyError):
        if locked == "these":
            store.changing([content], fail)
        else:
            with store.writing():
                fail()
    assert _read(store, content) == before
    save_topics(store, content, ["art"])  # and nothing of it comes later
    assert caption_of(store, content) is None
    assert set(store.work.of(content)) == {CAPTION}


def test_what_a_change_returns_and_has_saved(store: Store, second: Store) -> None:
    content, other = put(store, b"/photos/a.jpg", "a"), put(store, b"/photos/b.jpg", "b")

    def job() -> str:
        save_caption(store, content, "a dog")
        store.work.queue(content, [TOPICS])
        assert caption_of(store, content) == "a dog"
        assert set(store.work.of(content)) == {TOPICS}
        return "done"

    assert store.changing([content], job) == "done"
    assert caption_of(second, content) == "a dog"
    assert set(second.work.of(content)) == {TOPICS}
    # More than the given contents: an engine may have to begin again.
    assert store.changing([content], lambda: store.results.write_note(other, "a note")) == [other]
    assert second.results.note(other) == "a note"
    # Inside a transaction it is a part of it.
    with pytest.raises(KeyError), store.writing():
        store.changing([content], lambda: save_caption(store, content, "a cat"))
        raise KeyError
    assert caption_of(second, content) == "a dog"
