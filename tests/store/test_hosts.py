"""What stores of several hosts have more of: here for one host, for which all engines do the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import NOW, put

from imgret.store import paths
from imgret.store.interface import Store

DISK, OTHER_DISK = "ext4:1 /photos", "ext4:2 /photos"
PLACES = (b"/p", b"/q", b"/r")


def test_a_root_that_this_host_added_is_here(store: Store) -> None:
    added = store.roots.add(b"/photos", filesystem=DISK)
    assert added.here
    assert added.online
    assert added.filesystem in (None, DISK)
    assert [root.here for root in store.roots.all()] == [True]
    found = store.roots.root_of(b"/photos/a.jpg")
    assert found is not None
    assert found[0].here


def test_a_root_stays_what_it_is_on_another_disk(store: Store) -> None:
    first = store.roots.add(b"/photos", filesystem=DISK)
    content = put(store, b"/photos/a.jpg")
    again = store.roots.add(b"/photos", filesystem=OTHER_DISK)
    assert again.id == first.id
    assert [photo.path for photo in store.photos.paths(content)] == [b"/photos/a.jpg"]


def test_two_folders_of_a_host_on_one_disk_are_two_roots(store: Store) -> None:
    first = store.roots.add(b"/photos", filesystem=DISK)
    second = store.roots.add(b"/link", filesystem=DISK)
    assert first.id != second.id
    assert [root.path for root in store.roots.all()] == [b"/link", b"/photos"]


def test_a_separate_folder_is_a_root_of_its_own(store: Store) -> None:
    first = store.roots.add(b"/photos", filesystem=DISK)
    second = store.roots.add(b"/others", filesystem=DISK, separate=True)
    assert first.id != second.id
    assert second.here
    assert store.roots.is_active(first.id)


def test_a_folder_that_was_separate_before_stays_the_same_root(store: Store) -> None:
    first = store.roots.add(b"/photos", separate=True)
    content = put(store, b"/photos/a.jpg")
    assert store.roots.add(b"/photos", filesystem=DISK, separate=True).id == first.id
    assert [(photo.path, photo.online) for photo in store.photos.paths(content)] == [(b"/photos/a.jpg", True)]
    store.removal.remove_folder(b"/photos", (), NOW)
    assert store.roots.add(b"/photos", separate=True).id == first.id
    assert store.roots.is_active(first.id)


def test_a_root_moves_with_its_photos(store: Store) -> None:
    root = store.roots.add(b"/photos", watched=True)
    content = put(store, b"/photos/may/a.jpg")
    store.roots.mark_online(root.id, DISK)
    store.roots.mark_mounted(root.id, b"may", "vfat:1")
    store.roots.mark_unmounted(root.id, b"may", "pulled out")
    store.roots.mark_offline(root.id, "it is not mounted")
    store.roots.move(root.id, b"/mnt/photos")
    (moved,) = store.roots.all()
    assert (moved.id, moved.path, moved.here, moved.watched) == (root.id, b"/mnt/photos", True, True)
    assert (moved.online, moved.filesystem, moved.reason) == (True, None, None)
    assert store.roots.mounts(root.id) == []
    assert [(photo.path, photo.online) for photo in store.photos.paths(content)] == [
        (b"/mnt/photos/may/a.jpg", True)
    ]
    assert store.photos.find(b"/photos/may/a.jpg") is None
    assert store.roots.add(b"/photos").id != root.id


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(PLACES)), max_size=6))
def test_photos_are_where_their_root_was_moved_to(engine: Engine, moves: list[tuple[int, bytes]]) -> None:
    with engine.empty() as store:
        at = [b"/one", b"/two"]
        roots = [store.roots.add(path).id for path in at]
        contents = [put(store, paths.join(path, b"folder", b"x.jpg")) for path in at]
        for number, place in moves:
            if place == at[1 - number]:  # `imgret add --same-as` refuses this
                continue
            store.roots.move(roots[number], place)
            at[number] = place
            assert [root.path for root in store.roots.all()] == sorted(at)
            for path, content in zip(at, contents, strict=True):
                assert [photo.path for photo in store.photos.paths(content)] == [
                    paths.join(path, b"folder", b"x.jpg")
                ]


def test_moving_a_root_that_is_not_there_changes_nothing(store: Store) -> None:
    root = store.roots.add(b"/photos")
    content = put(store, b"/photos/a.jpg")
    store.roots.move(root.id + 7, b"/photos")
    assert store.roots.all() == [root]
    assert [photo.path for photo in store.photos.paths(content)] == [b"/photos/a.jpg"]


def test_one_process_scans_several_roots_and_each_again(store: Store) -> None:
    first, second = store.roots.add(b"/a").id, store.roots.add(b"/b").id
    for _ in range(2):
        with store.roots.scanning(first) as ours:
            assert ours
            put(store, b"/a/x.jpg")
            with store.roots.scanning(second) as also_ours:
                assert also_ours


def test_a_scan_that_fails_leaves_the_root_to_others(store: Store, second: Store) -> None:
    root = store.roots.add(b"/a").id
    with pytest.raises(OSError, match="the disk"), store.roots.scanning(root):
        raise OSError("the disk is away")
    with second.roots.scanning(root) as theirs:
        assert theirs


def test_a_process_that_reports_is_listed_where_hosts_are_listed(store: Store, second: Store) -> None:
    store.workers.report("describing", "cuda:0", 2.5)
    before = second.change_token()
    store.workers.report("idle", "cpu", 0.0)
    assert second.change_token() == before
    listed = second.workers.all()
    assert len(listed) <= 1
    for host in listed:
        assert (host.state, host.devices, host.rate, host.claimed, host.own) == ("idle", "cpu", 0.0, 0, True)
        assert 0 <= host.silent < 60


def test_the_stages_of_this_host_are_not_those_of_others(store: Store) -> None:
    store.remember("models", "caption=a;colour=b;3")
    store.workers.report("describing", "cpu", 1.0)
    assert store.workers.stages_elsewhere() == set()
