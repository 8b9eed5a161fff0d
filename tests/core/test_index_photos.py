"""Paths and contents on a real index: moves, copies, edits, tombstones, roots inside roots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from saving import STAGES, caption, save, save_vectors

from imgret.photo import Detection, Facts, FileStat, ModelIdentity
from imgret.store import policy, records
from imgret.store.factory import open_store
from imgret.store.interface import Store

DAY = 86400
HASH_A, HASH_B = b"a" * 32, b"b" * 32
PIXELS = b"p" * 32
CAPTIONER = ModelIdentity("captioner", "r1")
DETECTOR = ModelIdentity("detector", "r1")
EMBEDDER = ModelIdentity("embedder", "r1")


def file_stat_of(number: int = 1) -> FileStat:
    return FileStat(number, number, number, number)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        yield opened


@pytest.fixture
def root(store: Store) -> records.Root:
    return store.roots.add(b"/photos")


def described(store: Store, content: int) -> None:
    box = Detection("dog", 0.9, (0.0, 0.0, 1.0, 1.0))
    unit = np.eye(1, 8, dtype=np.float32)[0]
    store.contents.save_facts(content, Facts("JPEG", 4, 3, taken_at=5), PIXELS)
    save(store, content, "caption", CAPTIONER, "a dog")
    save(store, content, "detect", DETECTOR, (box, box))
    save(store, content, "topics", CAPTIONER, ("sports",))
    save_vectors(store, content, EMBEDDER, {"passage": unit, "caption": unit})


def test_a_photo_is_found_by_its_path(store: Store, root: records.Root) -> None:
    content, new = store.photos.save(root.id, b"2021/x", b"\xff\n.jpg", file_stat_of(), HASH_A, 10)
    assert new
    photo = store.photos.find(b"/photos/2021/x/\xff\n.jpg")
    assert photo is not None
    assert (photo.content, photo.file_stat, photo.online, photo.gone_at) == (
        content,
        file_stat_of(),
        True,
        None,
    )
    assert store.photos.known(root.id, b"2021/x") == {b"\xff\n.jpg": (1, 1, 1, 1)}
    assert store.photos.find(b"/elsewhere/x.jpg") is None
    assert store.photos.find(b"/photos2/x.jpg") is None


def test_a_copy_and_a_move_share_the_content(store: Store, root: records.Root) -> None:
    first, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    described(store, first)
    store.results.write_note(first, "our dog")
    second, new = store.photos.save(root.id, b"new", b"b.jpg", file_stat_of(2), HASH_A, 11)
    assert (second, new) == (first, False)
    store.photos.mark_deleted(root.id, b"", [b"a.jpg"], 12)
    assert [photo.path for photo in store.photos.paths(first)] == [b"/photos/new/b.jpg"]
    assert store.results.note(first) == "our dog"
    assert caption(store, first) == "a dog"


def test_a_new_photo_at_the_path_of_a_tombstone_is_a_new_photo(store: Store, root: records.Root) -> None:
    before, _ = store.photos.save(root.id, b"", b"IMG_0001.jpg", file_stat_of(), HASH_A, 10)
    store.results.write_note(before, "last year's")
    store.photos.mark_deleted(root.id, b"", [b"IMG_0001.jpg"], 11)
    after, _ = store.photos.save(root.id, b"", b"IMG_0001.jpg", file_stat_of(2), HASH_B, 12)
    assert store.results.note(after) is None


def test_tombstones_are_kept_30_days_and_notes_forever(store: Store, root: records.Root) -> None:
    noted, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    plain, _ = store.photos.save(root.id, b"", b"b.jpg", file_stat_of(), HASH_B, 10)
    for content in (noted, plain):
        described(store, content)
    store.results.write_note(noted, "keep me")
    assert store.photos.mark_deleted(root.id, b"", [b"a.jpg", b"b.jpg", b"never.jpg"], 100) == 2
    assert store.contents.purge(100 + 30 * DAY) == 0
    assert store.photos.find(b"/photos/b.jpg") is not None
    assert store.contents.purge(101 + 30 * DAY) == 1
    assert store.photos.find(b"/photos/b.jpg") is None
    assert store.results.note(noted) == "keep me"
    assert store.problems() == []


def test_a_restored_file_has_its_description_and_note_again(store: Store, root: records.Root) -> None:
    store.roots.add(root.path, watched=True)
    content, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    described(store, content)
    store.results.write_note(content, "back again")
    store.photos.mark_deleted(root.id, b"", [b"a.jpg"], 11)
    store.contents.purge(12 + 31 * DAY)
    again, new = store.photos.save(root.id, b"", b"z.jpg", file_stat_of(), HASH_A, 13 + 31 * DAY)
    assert (again, new) == (content, False)
    assert store.results.note(again) == "back again"


def test_results_are_copied_from_a_twin(store: Store, root: records.Root) -> None:
    source, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    described(store, source)
    target, _ = store.photos.save(root.id, b"", b"b.jpg", file_stat_of(), HASH_B, 10)
    store.work.queue(target, STAGES)
    assert store.results.twin(target, PIXELS, list(STAGES)) == source
    have = store.results.copy(source, target)
    assert {"caption", "detect", "topics", "embed"} <= have
    assert store.results.payloads(target) == store.results.payloads(source)
    assert store.results.identities(target) == store.results.identities(source)


def test_a_content_not_described_yet_is_not_a_twin(store: Store, root: records.Root) -> None:
    source, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    described(store, source)
    store.work.queue(source, ["caption"])
    assert store.results.twin(source + 1, PIXELS, ["caption", "embed"]) is None
    assert store.results.twin(source + 1, PIXELS, ["embed"]) == source  # captions cannot be made anyway


def test_vectors_are_not_copied_from_a_twin_with_another_note(store: Store, root: records.Root) -> None:
    source, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    described(store, source)
    target, _ = store.photos.save(root.id, b"", b"b.jpg", file_stat_of(), HASH_B, 10)
    store.results.write_note(target, "mine")
    assert "embed" not in store.results.copy(source, target)
    assert store.results.note(target) == "mine"


def test_a_root_absorbs_the_roots_inside_it(store: Store) -> None:
    inner = store.roots.add(b"/photos/2021", watched=True)
    content, _ = store.photos.save(inner.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    store.photos.save(inner.id, b"may", b"b.jpg", file_stat_of(), HASH_A, 10)
    assert store.roots.enclosing(b"/photos") is None
    outer = store.roots.add(b"/photos")
    assert [root.path for root in store.roots.all()] == [b"/photos"]
    assert store.photos.known_folders(outer.id) == {b"2021", b"2021/may"}
    assert {photo.path for photo in store.photos.paths(content)} == {
        b"/photos/2021/a.jpg",
        b"/photos/2021/may/b.jpg",
    }
    found = store.roots.enclosing(b"/photos/2021")
    assert found is not None
    assert (found[0].id, found[1]) == (outer.id, b"2021")


def test_known_folders_below_one(store: Store, root: records.Root) -> None:
    for folder in (b"", b"a", b"a/b", b"a0", b"ab", b"b"):
        store.photos.save(root.id, folder, b"x.jpg", file_stat_of(), HASH_A, 1)
    assert store.photos.known_folders(root.id, b"a") == {b"a", b"a/b"}
    assert store.photos.known_folders(root.id) == {b"", b"a", b"a/b", b"a0", b"ab", b"b"}


def test_marking_a_root_offline_deletes_nothing(store: Store, root: records.Root) -> None:
    content, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    store.roots.mark_offline(root.id, "unplugged")
    assert [photo.online for photo in store.photos.paths(content)] == [False]
    store.roots.mark_online(root.id, "disk-7")
    assert store.roots.all()[0].filesystem == "disk-7"
    assert [photo.online for photo in store.photos.paths(content)] == [True]


def test_an_unreadable_file_is_retried_up_to_five_times(store: Store, root: records.Root) -> None:
    now, tries = 1000, 0
    for _ in range(20):
        store.photos.save_unreadable(root.id, b"", b"a.jpg", file_stat_of(), "may not be read", now)
        tries += 1
        pauses = [t for t in range(now, now + 2 * DAY, 30) if store.photos.due_unreadable(root.id, t)]
        if not pauses:
            break
        assert pauses[0] > now
        now = pauses[0]
    assert tries == policy.MAX_ATTEMPTS
    assert [failure.error for failure in store.failures.all()] == ["may not be read"]
    content, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(2), HASH_A, now)
    assert store.failures.all() == []
    assert store.photos.content_at(root.id, b"", b"a.jpg") == content


def test_a_failure_to_read_keeps_the_known_content(store: Store, root: records.Root) -> None:
    content, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    store.photos.save_unreadable(root.id, b"", b"a.jpg", file_stat_of(2), "gone bad", 11)
    assert store.photos.content_at(root.id, b"", b"a.jpg") == content


def test_a_path_with_another_content_is_hashed_again(store: Store, root: records.Root) -> None:
    content, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    assert not store.photos.suspect(b"/photos/a.jpg", content)  # it has no other path
    assert store.photos.known(root.id, b"")[b"a.jpg"] == (1, 1, 1, policy.OTHER_INODE)
    store.photos.save(root.id, b"", b"b.jpg", file_stat_of(), HASH_A, 10)
    assert store.photos.suspect(b"/photos/a.jpg", content)
    assert not store.photos.suspect(b"/photos/b.jpg", content)


def test_a_content_that_replaced_it_is_not_suspect(store: Store, root: records.Root) -> None:
    before, _ = store.photos.save(root.id, b"", b"a.jpg", file_stat_of(), HASH_A, 10)
    store.photos.save(root.id, b"", b"a.jpg", file_stat_of(2), HASH_B, 11)
    store.photos.suspect(b"/photos/a.jpg", before)
    assert store.photos.known(root.id, b"")[b"a.jpg"] == (2, 2, 2, 2)
