"""Paths and contents on a real index: moves, copies, edits, tombstones, roots inside roots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imgret.photo import Detection, Facts, Fingerprint, ModelIdentity, Stage, View
from imgret.store.sqlite import contents, failures, photos, results, roots, work
from imgret.store.sqlite.connection import Index

DAY = 86400
HASH_A, HASH_B = b"a" * 32, b"b" * 32
PIXELS = b"p" * 32
CAPTIONER = ModelIdentity("captioner", "r1")
DETECTOR = ModelIdentity("detector", "r1")
EMBEDDER = ModelIdentity("embedder", "r1")


def stamp(number: int = 1) -> Fingerprint:
    return Fingerprint(number, number, number, number)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(str(tmp_path / "index.db")) as opened:
        yield opened


@pytest.fixture
def root(index: Index) -> roots.Root:
    return roots.add(index, b"/photos")


def described(index: Index, content: int) -> None:
    box = Detection("dog", 0.9, (0.0, 0.0, 1.0, 1.0))
    unit = np.eye(1, 8, dtype=np.float32)[0]
    contents.save_facts(index, content, Facts("JPEG", 4, 3, taken_at=5), PIXELS)
    results.save_caption(index, content, CAPTIONER, "a dog")
    results.save_detections(index, content, DETECTOR, [box, box], {"dog": 2})
    results.save_topics(index, content, CAPTIONER, ["sports"])
    results.save_vectors(index, content, EMBEDDER, {View.PASSAGE: unit, View.CAPTION: unit})


def test_a_path_leads_to_its_photo(index: Index, root: roots.Root) -> None:
    content, new = photos.save(index, root.id, b"2021/x", b"\xff\n.jpg", stamp(), HASH_A, 10)
    assert new
    photo = photos.find(index, b"/photos/2021/x/\xff\n.jpg")
    assert photo is not None
    assert (photo.content, photo.fingerprint, photo.online, photo.gone_at) == (content, stamp(), True, None)
    assert photos.known(index, root.id, b"2021/x") == {b"\xff\n.jpg": (1, 1, 1, 1)}
    assert photos.find(index, b"/elsewhere/x.jpg") is None
    assert photos.find(index, b"/photos2/x.jpg") is None


def test_a_copy_and_a_move_share_the_content(index: Index, root: roots.Root) -> None:
    first, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    described(index, first)
    results.write_note(index, first, "our dog")
    second, new = photos.save(index, root.id, b"new", b"b.jpg", stamp(2), HASH_A, 11)
    assert (second, new) == (first, False)
    photos.bury(index, root.id, b"", [b"a.jpg"], 12)
    assert [photo.path for photo in photos.paths(index, first)] == [b"/photos/new/b.jpg"]
    assert results.note(index, first) == "our dog"
    assert results.description(index, first).caption == "a dog"


def test_a_new_photo_at_a_buried_path_is_a_new_photo(index: Index, root: roots.Root) -> None:
    before, _ = photos.save(index, root.id, b"", b"IMG_0001.jpg", stamp(), HASH_A, 10)
    results.write_note(index, before, "last year's")
    photos.bury(index, root.id, b"", [b"IMG_0001.jpg"], 11)
    after, _ = photos.save(index, root.id, b"", b"IMG_0001.jpg", stamp(2), HASH_B, 12)
    assert results.note(index, after) is None


def test_tombstones_are_kept_30_days_and_notes_for_good(index: Index, root: roots.Root) -> None:
    noted, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    plain, _ = photos.save(index, root.id, b"", b"b.jpg", stamp(), HASH_B, 10)
    for content in (noted, plain):
        described(index, content)
    results.write_note(index, noted, "keep me")
    assert photos.bury(index, root.id, b"", [b"a.jpg", b"b.jpg", b"never.jpg"], 100) == 2
    assert contents.purge(index, 100 + 30 * DAY) == 0
    assert photos.find(index, b"/photos/b.jpg") is not None
    assert contents.purge(index, 101 + 30 * DAY) == 1
    assert photos.find(index, b"/photos/b.jpg") is None
    assert results.note(index, noted) == "keep me"
    assert index.problems() == []


def test_bytes_that_come_back_find_their_description_and_note(index: Index, root: roots.Root) -> None:
    roots.add(index, root.path, watched=True)
    content, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    described(index, content)
    results.write_note(index, content, "back again")
    photos.bury(index, root.id, b"", [b"a.jpg"], 11)
    contents.purge(index, 12 + 31 * DAY)
    again, new = photos.save(index, root.id, b"", b"z.jpg", stamp(), HASH_A, 13 + 31 * DAY)
    assert (again, new) == (content, False)
    assert results.note(index, again) == "back again"


def test_a_twin_takes_everything_over(index: Index, root: roots.Root) -> None:
    source, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    described(index, source)
    target, _ = photos.save(index, root.id, b"", b"b.jpg", stamp(), HASH_B, 10)
    work.queue(index, target, Stage)
    assert results.twin(index, target, PIXELS, list(Stage)) == source
    have = results.copy(index, source, target)
    assert {Stage.CAPTION, Stage.DETECT, Stage.TOPICS, Stage.EMBED} <= have
    assert results.description(index, target) == results.description(index, source)
    assert results.identities(index, target) == results.identities(index, source)


def test_one_that_is_still_to_be_described_is_no_twin(index: Index, root: roots.Root) -> None:
    source, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    described(index, source)
    work.queue(index, source, [Stage.CAPTION])
    assert results.twin(index, source + 1, PIXELS, [Stage.CAPTION, Stage.EMBED]) is None
    assert results.twin(index, source + 1, PIXELS, [Stage.EMBED]) == source  # captions cannot be made anyway


def test_a_note_of_its_own_keeps_a_twins_vectors_waiting(index: Index, root: roots.Root) -> None:
    source, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    described(index, source)
    target, _ = photos.save(index, root.id, b"", b"b.jpg", stamp(), HASH_B, 10)
    results.write_note(index, target, "mine")
    assert Stage.EMBED not in results.copy(index, source, target)
    assert results.note(index, target) == "mine"


def test_a_root_absorbs_the_roots_inside_it(index: Index) -> None:
    inner = roots.add(index, b"/photos/2021", watched=True)
    content, _ = photos.save(index, inner.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    photos.save(index, inner.id, b"may", b"b.jpg", stamp(), HASH_A, 10)
    assert roots.enclosing(index, b"/photos") is None
    outer = roots.add(index, b"/photos")
    assert [root.path for root in roots.roots(index)] == [b"/photos"]
    assert photos.known_folders(index, outer.id) == {b"2021", b"2021/may"}
    assert {photo.path for photo in photos.paths(index, content)} == {
        b"/photos/2021/a.jpg",
        b"/photos/2021/may/b.jpg",
    }
    found = roots.enclosing(index, b"/photos/2021")
    assert found is not None
    assert (found[0].id, found[1]) == (outer.id, b"2021")


def test_known_folders_below_one(index: Index, root: roots.Root) -> None:
    for folder in (b"", b"a", b"a/b", b"a0", b"ab", b"b"):
        photos.save(index, root.id, folder, b"x.jpg", stamp(), HASH_A, 1)
    assert photos.known_folders(index, root.id, b"a") == {b"a", b"a/b"}
    assert photos.known_folders(index, root.id) == {b"", b"a", b"a/b", b"a0", b"ab", b"b"}


def test_offline_is_a_mark_and_deletes_nothing(index: Index, root: roots.Root) -> None:
    content, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    roots.mark_offline(index, root.id, "unplugged")
    assert [photo.online for photo in photos.paths(index, content)] == [False]
    roots.mark_online(index, root.id, "disk-7")
    assert roots.roots(index)[0].filesystem == "disk-7"
    assert [photo.online for photo in photos.paths(index, content)] == [True]


def test_an_unreadable_file_is_tried_five_times(index: Index, root: roots.Root) -> None:
    now, tries = 1000, 0
    for _ in range(20):
        photos.save_unreadable(index, root.id, b"", b"a.jpg", stamp(), "may not be read", now)
        tries += 1
        pauses = [t for t in range(now, now + 2 * DAY, 30) if photos.due_unreadable(index, root.id, t)]
        if not pauses:
            break
        assert pauses[0] > now
        now = pauses[0]
    assert tries == photos.MAX_ATTEMPTS
    assert [failure.error for failure in failures.failures(index)] == ["may not be read"]
    content, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(2), HASH_A, now)
    assert failures.failures(index) == []
    assert photos.content_at(index, root.id, b"", b"a.jpg") == content


def test_a_failure_to_read_keeps_what_was_known(index: Index, root: roots.Root) -> None:
    content, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    photos.save_unreadable(index, root.id, b"", b"a.jpg", stamp(2), "gone bad", 11)
    assert photos.content_at(index, root.id, b"", b"a.jpg") == content


def test_a_path_with_other_bytes_is_asked_for_its_hash_again(index: Index, root: roots.Root) -> None:
    content, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    assert not photos.suspect(index, b"/photos/a.jpg", content)  # it lies nowhere else
    assert photos.known(index, root.id, b"")[b"a.jpg"] == (1, 1, 1, photos.OTHER_INODE)
    photos.save(index, root.id, b"", b"b.jpg", stamp(), HASH_A, 10)
    assert photos.suspect(index, b"/photos/a.jpg", content)
    assert not photos.suspect(index, b"/photos/b.jpg", content)


def test_what_lies_at_a_path_by_now_is_not_suspected(index: Index, root: roots.Root) -> None:
    before, _ = photos.save(index, root.id, b"", b"a.jpg", stamp(), HASH_A, 10)
    photos.save(index, root.id, b"", b"a.jpg", stamp(2), HASH_B, 11)
    photos.suspect(index, b"/photos/a.jpg", before)
    assert photos.known(index, root.id, b"")[b"a.jpg"] == (2, 2, 2, 2)
