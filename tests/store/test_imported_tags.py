"""The user's own tags: they stay when stages run again, and go along with edits of the photo."""

from __future__ import annotations

from store_library import DETECT, MODEL, decode, describe, put

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
