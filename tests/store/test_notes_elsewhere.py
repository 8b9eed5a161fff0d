"""Notes that were edited in another program: the later one counts, once for each new text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import NOW, decode, put

from imgret import photo_metadata
from imgret.photo import Metadata, SidecarNote
from imgret.store.interface import Store

STAGES = ("embed",)


def read(text: str, at: int, *, edited: bool = True) -> Metadata:
    return Metadata(note=SidecarNote(text, at, edited))


def saved(store: Store, content: int, before: Metadata | None, after: Metadata | None) -> str | None:
    photo_metadata.save_note(store, content, before, after, STAGES)
    return store.results.note(content)


@pytest.fixture
def content(store: Store) -> int:
    store.roots.add(b"/photos")
    content = put(store, b"/photos/a.jpg")
    decode(store, content)
    return content


def test_a_later_note_replaces_ours_and_is_found(store: Store, content: int) -> None:
    store.results.write_note(content, "boat", NOW)
    assert saved(store, content, None, read("ship", NOW - 1)) == "boat"
    assert saved(store, content, read("boat", NOW), read("ship", NOW + 1)) == "ship"
    assert store.results.noted_at(content) == NOW + 1
    assert store.words.best(store.words.terms(["ship"]), 9, 99).tolist() == [content]
    assert store.words.best(store.words.terms(["boat"]), 9, 99).tolist() == []
    assert "embed" in store.work.of(content)  # its vector is due


def test_the_same_text_in_a_newer_file_changes_nothing(store: Store, content: int) -> None:
    store.results.write_note(content, "ours", NOW + 1)
    assert saved(store, content, read("theirs", NOW), read(" theirs \n", NOW + 9)) == "ours"
    assert "embed" not in store.work.of(content)


def test_a_note_that_was_deleted_stays_deleted(store: Store, content: int) -> None:
    assert saved(store, content, None, read("boat", NOW, edited=False)) == "boat"
    store.results.write_note(content, None)
    again = read("boat", NOW + 9, edited=False)
    assert saved(store, content, read("boat", NOW, edited=False), again) is None
    assert saved(store, content, again, read("a new text", NOW + 20)) == "a new text"


def test_a_sidecar_without_a_note_takes_none_away(store: Store, content: int) -> None:
    store.results.write_note(content, "ours", NOW)
    for nothing in (None, Metadata(), read(" \n", NOW + 9)):
        assert saved(store, content, read("ours", NOW), nothing) == "ours"


EDITS = st.lists(
    st.tuples(st.sampled_from(["here", "there"]), st.sampled_from(["a", "b", "c"]), st.integers(1, 9)),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(EDITS)
def test_the_note_is_that_of_the_later_edit(engine: Engine, edits: list[tuple[str, str, int]]) -> None:
    with engine.empty() as store:
        store.roots.add(b"/photos")
        content = put(store, b"/photos/a.jpg")
        at, ours, seen = NOW, (None, 0), None
        for where, text, later in edits:
            at += later
            if where == "here":
                store.results.write_note(content, text, at)
                ours = (text, at)
            else:
                now = read(text, at)
                if seen is None or seen.note is None or seen.note.text != text:
                    ours = (text, at)
                photo_metadata.save_note(store, content, seen, now, STAGES)
                seen = now
            assert store.results.note(content) == ours[0]
