"""Photos, case by case: names, copies, moves, unreadable files."""

from __future__ import annotations

import pytest
from store_library import DAY, NOW, caption_of, describe, digest, put, stat

from imgret.store import clauses, policy, records
from imgret.store.clauses import Clause
from imgret.store.interface import Store


@pytest.fixture
def root(store: Store) -> records.Root:
    return store.roots.add(b"/photos")


def test_a_path_leads_to_its_photo(store: Store, root: records.Root) -> None:
    content, new = store.photos.save(root.id, b"2021/x", b"\xff\n.jpg", stat(), digest("a"), 10)
    assert new
    photo = store.photos.find(b"/photos/2021/x/\xff\n.jpg")
    assert photo is not None
    assert (photo.content, photo.file_stat, photo.online, photo.gone_at) == (content, stat(), True, None)
    assert store.photos.known(root.id, b"2021/x") == {b"\xff\n.jpg": (1, 1, 1, 1)}
    assert store.photos.find(b"/elsewhere/x.jpg") is None
    assert store.photos.find(b"/photos2/x.jpg") is None
    assert store.photos.find(b"/photos/2021/x") is None
    assert store.photos.find(b"/photos") is None


def test_a_file_stat_may_have_any_64_bits(store: Store, root: records.Root) -> None:
    for number, extreme in enumerate((2**63 - 1, -(2**63), 0, -1)):
        name = b"%d.jpg" % number
        store.photos.save(root.id, b"", name, stat(extreme), digest("a"), NOW)
        assert store.photos.known(root.id, b"")[name] == stat(extreme)
    assert store.photos.known_size(2**63 - 1)


def test_a_name_may_hold_any_bytes_that_linux_allows(store: Store, root: records.Root) -> None:
    for byte in set(range(1, 256)) - {ord("/")}:
        store.photos.save(root.id, b"f%c" % byte, b"n%c.jpg" % byte, stat(byte), digest(str(byte)), NOW)
    for byte in set(range(1, 256)) - {ord("/")}:
        assert store.photos.known(root.id, b"f%c" % byte) == {b"n%c.jpg" % byte: stat(byte)}
        assert store.photos.known_folders(root.id, b"f%c" % byte) == {b"f%c" % byte}


def test_all_paths_are_given_while_others_write(store: Store, second: Store, root: records.Root) -> None:
    with store.writing():
        for number in range(2500):
            store.photos.save(root.id, b"", b"%d.jpg" % number, stat(number), digest("same"), NOW)
    found = []
    for path in store.photos.all_paths():
        if len(found) % 500 == 0:
            second.remember("key", str(len(found)))
        found.append(path)
    assert len(found) == len(set(found)) == 2500


def test_a_copy_and_a_move_share_the_content(store: Store, root: records.Root) -> None:
    first = put(store, b"/photos/a.jpg", "bytes")
    describe(store, first, caption="a dog")
    store.results.write_note(first, "our dog")
    assert store.photos.save(root.id, b"new", b"b.jpg", stat(2), digest("bytes"), 11) == (first, False)
    store.photos.mark_deleted(root.id, b"", [b"a.jpg"], 12)
    assert [photo.path for photo in store.photos.paths(first)] == [b"/photos/new/b.jpg"]
    assert store.results.note(first) == "our dog"
    assert caption_of(store, first) == "a dog"


def test_a_new_photo_at_a_deleted_path_is_a_new_photo(store: Store, root: records.Root) -> None:
    before = put(store, b"/photos/IMG_0001.jpg", "before")
    store.results.write_note(before, "last year's")
    store.photos.mark_deleted(root.id, b"", [b"IMG_0001.jpg"], 11)
    after = put(store, b"/photos/IMG_0001.jpg", "after")
    assert after != before
    assert store.results.note(after) is None


def test_an_unreadable_file_is_tried_five_times(store: Store, root: records.Root) -> None:
    now, tries = 1000, 0
    for _ in range(20):
        store.photos.save_unreadable(root.id, b"", b"a.jpg", stat(), "may not be read", now)
        tries += 1
        pauses = [t for t in range(now, now + 2 * DAY, 30) if store.photos.due_unreadable(root.id, t)]
        if not pauses:
            break
        assert pauses[0] > now
        now = pauses[0]
    assert tries == policy.MAX_ATTEMPTS
    assert [failure.error for failure in store.failures.all()] == ["may not be read"]
    content, _ = store.photos.save(root.id, b"", b"a.jpg", stat(2), digest("a"), now)
    assert store.failures.all() == []
    assert store.photos.content_at(root.id, b"", b"a.jpg") == content


def test_a_pause_that_was_set_before_the_clock_was_put_back_is_over(store: Store, root: records.Root) -> None:
    store.photos.save_unreadable(root.id, b"", b"a.jpg", stat(), "denied", NOW)
    assert store.photos.due_unreadable(root.id, NOW) == []
    assert store.photos.due_unreadable(root.id, NOW - 365 * DAY) == [(b"", b"a.jpg")]


def test_bytes_that_come_back_find_their_description_and_note(store: Store, root: records.Root) -> None:
    content = put(store, b"/photos/a.jpg", "bytes", now=10)
    store.results.write_note(content, "back again")
    store.photos.mark_deleted(root.id, b"", [b"a.jpg"], 11)
    store.contents.purge(12 + 31 * DAY)
    again, new = store.photos.save(root.id, b"", b"z.jpg", stat(), digest("bytes"), 13 + 31 * DAY)
    assert (again, new) == (content, False)
    assert store.results.note(again) == "back again"


def test_paths_that_can_be_seen_come_first(store: Store) -> None:
    away = store.roots.add(b"/a")
    content = put(store, b"/a/x.jpg", "same")
    store.roots.add(b"/b")
    put(store, b"/b/z.jpg", "same")
    put(store, b"/b/y.jpg", "same")
    store.roots.mark_offline(away.id, "unplugged")
    found = [(photo.path, photo.online) for photo in store.photos.paths(content)]
    assert found == [(b"/b/y.jpg", True), (b"/b/z.jpg", True), (b"/a/x.jpg", False)]


def test_a_failure_to_read_keeps_what_was_known(store: Store, root: records.Root) -> None:
    content = put(store, b"/photos/a.jpg")
    store.photos.save_unreadable(root.id, b"", b"a.jpg", stat(2), "gone bad", 11)
    assert store.photos.content_at(root.id, b"", b"a.jpg") == content


def test_a_file_that_could_not_be_read_passes_nothing(store: Store) -> None:
    root = store.roots.add(b"/photos")
    store.photos.save_unreadable(root.id, b"", b"a.jpg", stat(), "denied", NOW)
    assert store.filters.matching(()).tolist() == []
    assert store.filters.matching([Clause(clauses.Named("a"))]).tolist() == []
    assert store.filters.newest(None, 9).tolist() == []
