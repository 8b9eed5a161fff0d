"""Notes: they belong to a content, survive its photos, and go along with edits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import DAY, DECODE, NOW, decode, delete, digest, place_of, put, stat

from imgret.store import records
from imgret.store.interface import Store

PATH = b"/photos/a.jpg"


@pytest.fixture
def store(store: Store) -> Store:
    store.roots.add(b"/photos")
    return store


def picture(store: Store, data: str, path: bytes = PATH, born: int | None = None) -> int:
    """These bytes, decoded, are at the path now. -> the content"""
    root, folder = place_of(store, path)
    content, _ = store.photos.save(root, folder, path.rpartition(b"/")[2], stat(), digest(data), NOW, born)
    decode(store, content)
    return content


def found(store: Store, word: str) -> list[int]:
    return sorted(store.words.best(store.words.terms([word]), 9, 99).tolist())


def noted_and_edited(store: Store, text: str = "ours", born: int | None = None) -> tuple[int, int]:
    """A picture with a note, and other bytes at its path, which may be an edit of it."""
    before = picture(store, "before", born=born)
    store.results.write_note(before, text)
    root, folder = place_of(store, PATH)
    after, _ = store.photos.save(root, folder, b"a.jpg", stat(2), digest("after"), NOW, born)
    return before, after


STEPS = st.one_of(
    st.tuples(st.just("save"), st.sampled_from("xyz"), st.sampled_from("123")),
    st.tuples(st.just("delete"), st.sampled_from("xyz"), st.just("")),
    st.tuples(
        st.just("note"), st.sampled_from("123"), st.sampled_from(["", "a note", " another \n", "第一"])
    ),
    st.tuples(st.just("forget"), st.just(""), st.just("")),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(STEPS, max_size=15))
def test_a_note_stays_with_its_content_for_good(engine: Engine, steps: list[tuple[str, str, str]]) -> None:
    notes: dict[str, str] = {}
    now = NOW
    with engine.empty() as store:
        store.roots.add(b"/photos")
        for step, one, other in steps:
            now += DAY
            if step == "save":
                put(store, f"/photos/{one}.jpg".encode(), other, now=now)
            elif step == "delete":
                delete(store, f"/photos/{one}.jpg".encode(), now)
            elif step == "forget":
                now += 31 * DAY
                store.contents.purge(now)
            elif (content := store.contents.content_named(digest(one))) is not None:
                assert store.results.write_note(content, other or None) == [content]
                notes[one] = other.strip()
            for data in "123":
                content = store.contents.content_named(digest(data))
                assert content is not None or not notes.get(data)
                if content is not None:
                    assert store.results.note(content) == (notes.get(data) or None)


def test_a_note_is_found_as_words_at_once(store: Store) -> None:
    content = put(store, PATH)
    assert store.results.write_note(content, "  a zebra\n") == [content]
    assert store.results.note(content) == "a zebra"
    assert found(store, "zebra") == [content]
    store.results.write_note(content, "a giraffe")
    assert (found(store, "zebra"), found(store, "giraffe")) == ([], [content])
    store.results.write_note(content, " \n")
    assert store.results.note(content) is None
    assert found(store, "giraffe") == []


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "'; DROP TABLE note; --", "100% _\\", "e\u0301 🎂", "{}", "a\nb\tc"],
    ids=["long", "quotes", "wildcards", "not ASCII", "braces", "lines"],
)
def test_a_note_is_kept_as_it_was_written(store: Store, second: Store, text: str) -> None:
    content = put(store, PATH)
    store.results.write_note(content, text)
    assert second.results.note(content) == text


def test_an_edit_gets_the_note(store: Store) -> None:
    before, after = noted_and_edited(store)
    assert store.notes.candidates(after) == [records.PreviousContent(before, same_file=False)]
    decode(store, after)
    assert store.notes.settle(after, before) is True
    assert (store.results.note(after), store.results.note(before)) == ("ours", "ours")
    assert store.notes.candidates(after) == []
    assert store.notes.later_edits(before) == [after]
    assert store.notes.later_edits(after) == []
    assert store.notes.lost_notes() == []
    assert store.results.write_note(before, "written late") == [before, after]
    assert store.results.note(after) == "written late"


def test_a_file_that_was_written_in_place_is_the_same_file(store: Store) -> None:
    before, after = noted_and_edited(store, born=123)
    assert store.notes.candidates(after) == [records.PreviousContent(before, same_file=True)]


def test_another_photo_at_the_path_does_not_get_the_note(store: Store) -> None:
    before, after = noted_and_edited(store)
    decode(store, after)
    assert store.notes.lost_notes() == []  # the two were not compared yet
    assert store.notes.settle(after, None) is False
    assert store.results.note(after) is None
    lost = records.LostNote(PATH, "ours", before)
    assert store.notes.lost_notes() == store.notes.lost_notes(PATH) == [lost]
    assert store.notes.lost_notes(b"/photos/b.jpg") == []
    assert store.notes.forget_lost(b"/photos/b.jpg") == 0
    assert store.notes.forget_lost(PATH) == 1
    assert store.notes.forget_lost(PATH) == 0
    assert store.notes.lost_notes() == []
    assert store.results.note(before) == "ours"


@pytest.mark.parametrize("end", ["a note of its own", "gone", "back"])
def test_a_lost_note_is_reported_while_another_picture_without_a_note_is_there(
    store: Store, end: str
) -> None:
    _, after = noted_and_edited(store)
    decode(store, after)
    store.notes.settle(after, None)
    assert len(store.notes.lost_notes()) == 1
    if end == "gone":
        delete(store, PATH)
    elif end == "back":
        put(store, b"/photos/elsewhere.jpg", "before")
    else:
        store.results.write_note(after, "mine")
    assert store.notes.lost_notes() == []


def test_the_note_of_a_deleted_photo_may_belong_to_another_one(store: Store) -> None:
    gone = picture(store, "before")
    store.results.write_note(gone, "ours")
    other = picture(store, "other", b"/photos/b.jpg")
    without = picture(store, "without", b"/photos/c.jpg")
    assert store.notes.vanished(0, 9) == []
    for path in (PATH, b"/photos/c.jpg"):
        delete(store, path)
    assert store.notes.vanished(NOW, 9) == [gone]
    assert store.notes.vanished(NOW + 1, 9) == store.notes.vanished(NOW, 0) == []
    store.notes.may_belong(gone, without)  # it has no path
    assert store.notes.lost_notes() == []
    store.notes.may_belong(gone, other)
    assert store.notes.lost_notes() == [records.LostNote(b"/photos/b.jpg", "ours", gone)]
    put(store, b"/photos/again.jpg", "before")
    assert store.notes.vanished(NOW, 9) == store.notes.lost_notes() == []


def test_an_edit_keeps_the_note_it_has(store: Store) -> None:
    before, after = noted_and_edited(store)
    decode(store, after)
    store.results.write_note(after, "mine")
    assert store.notes.settle(after, before) is False
    assert store.results.note(after) == "mine"


def test_a_note_stays_with_a_photo_that_has_another_path(store: Store) -> None:
    put(store, b"/photos/copy.jpg", "before")
    before, after = noted_and_edited(store)
    assert store.notes.candidates(after) == []
    decode(store, after)
    assert store.notes.settle(after, None) is False
    assert store.work.of(after) == {}
    delete(store, b"/photos/copy.jpg")
    store.notes.requeue_edits(before)
    assert set(store.work.of(after)) == {DECODE}  # so that the two are compared now
    assert store.notes.candidates(after) == [records.PreviousContent(before, same_file=False)]
    assert store.notes.settle(after, before) is True


def test_a_content_that_was_in_the_index_is_no_edit(store: Store) -> None:
    other = picture(store, "other", b"/photos/b.jpg")
    before = picture(store, "before")
    store.results.write_note(before, "ours")
    put(store, PATH, "other")
    assert store.notes.candidates(other) == []


def test_half_a_file_stands_for_what_was_there_before(store: Store) -> None:
    before = picture(store, "before")
    store.results.write_note(before, "ours")
    half = put(store, PATH, "half")  # never decoded
    whole = put(store, PATH, "whole")
    assert half not in (before, whole)
    assert store.notes.candidates(whole) == [records.PreviousContent(before, same_file=False)]


def test_edits_of_edits_get_a_note_that_was_written_late(store: Store) -> None:
    contents = [picture(store, "0")]
    for number in range(1, 4):
        after = put(store, PATH, str(number))
        assert store.notes.candidates(after) == [records.PreviousContent(contents[-1], same_file=False)]
        decode(store, after)
        store.notes.settle(after, contents[-1])
        contents.append(after)
    assert set(store.notes.later_edits(contents[0])) == set(contents[1:])
    assert set(store.results.write_note(contents[0], "late")) == set(contents)
    assert [store.results.note(content) for content in contents] == ["late"] * 4
    put(store, b"/photos/copy.jpg", "0")  # it has a photo again: a note on it is its own
    assert store.notes.later_edits(contents[0]) == []


def test_contents_with_a_note_are_compared_first(store: Store) -> None:
    plain = picture(store, "plain", b"/photos/plain.jpg")
    noted = picture(store, "noted", b"/photos/noted.jpg")
    store.results.write_note(noted, "ours")
    for path in (b"/photos/plain.jpg", b"/photos/noted.jpg"):
        after = put(store, path, "after")
    assert [before.content for before in store.notes.candidates(after)] == [noted, plain]


def test_a_note_remembers_its_path_after_the_tombstone(store: Store) -> None:
    before = picture(store, "before")
    store.results.write_note(before, "ours")
    delete(store, PATH, NOW)
    store.contents.purge(NOW + 31 * DAY)
    after = put(store, PATH, "after")
    assert store.notes.candidates(after) == []
    assert store.notes.lost_notes() == [records.LostNote(PATH, "ours", before)]


@pytest.mark.parametrize("bytes_", ["before", "edited"])
def test_a_deleted_photo_that_is_there_again_but_cannot_be_read_keeps_its_note(
    store: Store, bytes_: str
) -> None:
    before = picture(store, "before")
    store.results.write_note(before, "ours")
    delete(store, PATH, NOW)
    root, folder = place_of(store, PATH)
    store.photos.save_unreadable(root, folder, b"a.jpg", stat(2), "denied", NOW)
    assert [photo.path for photo in store.photos.paths(before)] == [PATH]
    after = picture(store, bytes_)
    if bytes_ == "before":
        assert (after, store.results.note(after)) == (before, "ours")
    else:
        assert [each.content for each in store.notes.candidates(after)] == [before]
        store.notes.settle(after, None)
        assert store.notes.lost_notes() == [records.LostNote(PATH, "ours", before)]


def test_the_note_of_a_photo_that_was_moved_is_not_that_of_an_unreadable_file_at_its_old_path(
    store: Store,
) -> None:
    before = picture(store, "before")
    store.results.write_note(before, "ours")
    put(store, b"/photos/moved.jpg", "before")
    delete(store, PATH, NOW)
    root, folder = place_of(store, PATH)
    store.photos.save_unreadable(root, folder, b"a.jpg", stat(2), "denied", NOW)
    assert [photo.path for photo in store.photos.paths(before)] == [b"/photos/moved.jpg"]
