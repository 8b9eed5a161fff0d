"""The user's own tags: they stay when stages run again, and go along with edits of the photo."""

from __future__ import annotations

from store_library import DECODE, DETECT, MODEL, decode, delete, describe, put

from imgret.photo import Tag
from imgret.store.clauses import Clause, Rated, Tagged
from imgret.store.interface import Store
from imgret.store.policy import KEEP_TOMBSTONES

FAMILY, CAFE = Tag("keyword", "Family"), Tag("album", "Café")


def found(store: Store, label: str) -> list[int]:
    return store.filters.matching([Clause(Tagged("keyword", label))]).tolist()


def test_they_are_filters_and_words(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    assert store.results.imported_tags(content) == []
    assert store.results.import_tags(content, [FAMILY, CAFE])
    assert store.results.imported_tags(content) == [CAFE, FAMILY]
    assert found(store, "family") == [content]
    assert store.words.best(store.words.terms(["cafe"]), 9, 99).tolist() == [content]
    assert not store.results.import_tags(content, [Tag("keyword", "FAMILY")])
    assert store.results.import_tags(content, [], [Tag("keyword", "family"), Tag("keyword", "none")])
    assert store.results.imported_tags(content) == [CAFE]
    assert found(store, "family") == []


def test_they_stay_when_stages_run_again(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    store.results.import_tags(content, [FAMILY])
    describe(store, content, caption="a dog", objects={"dog": 2}, topics=[])
    store.results.save(content, "metadata", MODEL, None, tags=[Tag("keyword", "Family")])
    store.results.save(content, "metadata", MODEL, None)
    store.forget_stage("metadata")
    store.forget_stage(DETECT)
    assert store.results.imported_tags(content) == [FAMILY]
    assert found(store, "family") == [content]
    assert store.words.best(store.words.terms(["family"]), 9, 99).tolist() == [content]


def test_an_edit_gets_them_and_equal_pixels_do_not(store: Store) -> None:
    content, twin = put(store, b"/photos/a.jpg"), put(store, b"/photos/b.jpg")
    decode(store, content, "pixels")
    decode(store, twin, "pixels")
    store.results.import_tags(content, [FAMILY])
    store.results.copy(content, twin)
    assert store.results.imported_tags(twin) == []
    store.notes.settle(twin, content)
    assert store.results.imported_tags(twin) == [FAMILY]


def test_a_deleted_photo_keeps_them(store: Store) -> None:
    store.roots.add(b"/photos")
    content, plain = put(store, b"/photos/a.jpg"), put(store, b"/photos/b.jpg")
    store.results.import_tags(content, [FAMILY])
    root = store.roots.all()[0].id
    store.photos.mark_deleted(root, b"", [b"a.jpg", b"b.jpg"], 1000)
    assert store.contents.purge(1001 + KEEP_TOMBSTONES) == 1
    assert store.results.imported_tags(content) == [FAMILY]
    assert store.contents.hash_of(plain) is None


def test_when_a_note_was_written(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    assert store.results.noted_at(content) is None
    store.results.write_note(content, "boat", 1234)
    assert store.results.noted_at(content) == 1234
    store.results.write_note(content, "ship")
    assert (store.results.noted_at(content) or 0) > 1234
    store.results.write_note(content, None)
    assert store.results.noted_at(content) is None


def edited(store: Store, *elsewhere: bytes) -> tuple[int, int]:
    """Return a photo with a tag, which lies elsewhere, too, and what is at its path now."""
    store.roots.add(b"/photos")
    before = put(store, b"/photos/a.jpg", "before")
    for path in elsewhere:
        put(store, path, "before")
    decode(store, before)
    store.results.import_tags(before, [FAMILY])
    return before, put(store, b"/photos/a.jpg", "after")


def test_they_follow_an_edit_as_a_note_does(store: Store) -> None:
    before, after = edited(store)
    assert [each.content for each in store.notes.candidates(after)] == [before]
    decode(store, after)
    store.notes.settle(after, before)
    assert store.results.imported_tags(after) == store.results.imported_tags(before) == [FAMILY]
    assert store.results.import_tags(before, [CAFE])  # written late
    assert store.results.imported_tags(after) == [CAFE, FAMILY]


def test_they_stay_with_a_photo_that_is_elsewhere_until_it_is_gone(store: Store) -> None:
    before, after = edited(store, b"/photos/copy.jpg")
    assert store.notes.candidates(after) == []
    decode(store, after)
    store.notes.settle(after, None)
    assert store.results.imported_tags(after) == []
    delete(store, b"/photos/copy.jpg")
    store.notes.requeue_edits(before)
    assert set(store.work.of(after)) == {DECODE}  # so that the two are compared now
    assert [each.content for each in store.notes.candidates(after)] == [before]
    store.notes.settle(after, before)
    assert store.results.imported_tags(after) == [FAMILY]


def test_tags_of_the_copy_that_stayed_are_its_own(store: Store) -> None:
    """Tags that are imported when the edit exists already are about the photo that was left as it was."""
    store.roots.add(b"/photos")
    before = put(store, b"/photos/a.jpg", "before")
    put(store, b"/photos/copy.jpg", "before")
    decode(store, before)
    after = put(store, b"/photos/a.jpg", "after")
    decode(store, after)
    store.notes.settle(after, None)
    store.results.import_tags(before, [FAMILY])
    delete(store, b"/photos/copy.jpg")
    assert store.notes.candidates(after) == []


def test_tags_do_not_keep_a_waiting_note_from_its_edit(store: Store) -> None:
    store.roots.add(b"/photos")
    before = put(store, b"/photos/a.jpg", "before")
    put(store, b"/photos/copy.jpg", "before")
    decode(store, before)
    store.results.write_note(before, "ours")
    after = put(store, b"/photos/a.jpg", "after")
    decode(store, after)
    store.notes.settle(after, None)
    store.results.import_tags(before, [FAMILY])
    delete(store, b"/photos/copy.jpg")
    assert [each.content for each in store.notes.candidates(after)] == [before]


def test_a_half_written_file_does_not_lose_them(store: Store) -> None:
    store.roots.add(b"/photos")
    before = put(store, b"/photos/a.jpg", "before")  # tagged before it was decoded
    store.results.import_tags(before, [FAMILY])
    put(store, b"/photos/a.jpg", "half")
    whole = put(store, b"/photos/a.jpg", "whole")
    assert [each.content for each in store.notes.candidates(whole)] == [before]


def rated(store: Store, least: int, most: int) -> list[int]:
    return store.filters.matching([Clause(Rated(least, most))]).tolist()


def test_an_own_rating_counts_before_that_of_the_file(store: Store) -> None:
    content, plain = put(store, b"/photos/a.jpg"), put(store, b"/photos/b.jpg")
    store.results.save(content, "metadata", MODEL, None, tags=[Tag("rating", "2")])
    store.results.import_tags(content, [Tag("rating", "5")])
    assert (rated(store, 5, 5), rated(store, 2, 2), rated(store, 0, 2)) == ([content], [], [plain])
    store.results.import_tags(content, [Tag("rating", "1")], [Tag("rating", "5")])
    assert (rated(store, 5, 5), rated(store, 1, 1)) == ([], [content])
    store.results.import_tags(content, [], [Tag("rating", "1")])
    assert (rated(store, 2, 2), rated(store, 0, 0)) == ([content], [plain])
