"""Folders that are removed: above roots, inside roots, and added again."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import CAPTION, NOW, put, stat

from imgret.store import paths, policy
from imgret.store.interface import Store

FOLDERS = (b"/p", b"/p/a", b"/p/a/x", b"/p/a0", b"/p/b", b"/q")
FILES = tuple(folder + b"/%d.jpg" % number for folder in FOLDERS for number in range(2))


def take_in(store: Store, folder: bytes) -> None:
    """What a scan of the folder does."""
    if store.roots.enclosing(folder) is None:
        store.roots.add(folder, watched=True)
    for number, path in enumerate(FILES):
        if paths.relative(folder, path):
            found = store.roots.enclosing(os.path.dirname(path))
            assert found is not None
            root, inside = found
            data = bytes([number]) * 32
            store.photos.save(root.id, inside, os.path.basename(path), stat(number), data, 1)


def below(folders: set[bytes]) -> set[bytes]:
    return {path for path in FILES if any(paths.relative(folder, path) for folder in folders)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(FOLDERS)), max_size=8))
def test_exactly_the_photos_in_watched_folders_are_alive(
    engine: Engine, steps: list[tuple[str, bytes]]
) -> None:
    watched: set[bytes] = set()
    with engine.empty() as store:
        for now, (step, folder) in enumerate(steps):
            before = set(store.photos.all_paths())
            if step == "add":
                watched.add(folder)
                take_in(store, folder)
            elif folder in watched:
                watched.remove(folder)
                removed = store.removal.remove_folder(folder, watched, now)
                assert removed == len(before - below(watched))
            assert set(store.photos.all_paths()) == below(watched)
            listed = [root.path for root in store.roots.all()]
            assert not any(paths.relative(a, b) for a in listed for b in listed)  # none inside another
            assert all(any(paths.relative(each, path) is not None for each in listed) for path in watched)


def test_a_folder_in_a_removed_one_keeps_its_disks_and_photos(store: Store) -> None:
    take_in(store, b"/p")
    root = store.roots.all()[0]
    store.roots.mark_online(root.id, "ext4:1 /p")
    store.roots.mark_mounted(root.id, b"a/x", "vfat:2 /")
    assert store.removal.remove_folder(b"/p", {b"/p/a"}, 5) == 6
    (child,) = store.roots.all()
    assert (child.path, child.filesystem, child.watched) == (b"/p/a", "ext4:1 /p/a", True)
    assert [mount.folder for mount in store.roots.mounts(child.id)] == [b"x"]
    assert set(store.photos.all_paths()) == below({b"/p/a"})


def test_a_part_of_a_root_leaves_the_root(store: Store) -> None:
    take_in(store, b"/p")
    assert store.removal.remove_folder(b"/p/a", (), 5) == 4
    assert [root.path for root in store.roots.all()] == [b"/p"]
    assert store.photos.known_folders(store.roots.all()[0].id) == {b"", b"a0", b"b"}


def test_a_folder_inside_a_kept_one_stays(store: Store) -> None:
    take_in(store, b"/p")
    assert store.removal.remove_folder(b"/p/a", {b"/p"}, 5) == 0
    assert set(store.photos.all_paths()) == below({b"/p"})


def test_a_removed_folder_is_known_for_30_days_and_then_forgotten(store: Store) -> None:
    take_in(store, b"/q")
    assert store.removal.remove_folder(b"/q", (), 5) == 2
    gone = store.photos.find(b"/q/0.jpg")
    assert gone is not None
    assert gone.gone_at == 5
    store.contents.purge(6 + policy.KEEP_TOMBSTONES)
    assert store.photos.find(b"/q/0.jpg") is None
    assert store.roots.root_of(b"/q/0.jpg") is None


def test_a_folder_that_was_just_added_is_not_forgotten(store: Store) -> None:
    store.roots.add(b"/new")
    store.contents.purge(1)
    assert [root.path for root in store.roots.all()] == [b"/new"]


def test_a_folder_added_again_needs_no_new_description(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    store.work.queue(content, [CAPTION])
    store.work.done(content, [CAPTION])
    store.removal.remove_folder(b"/photos", (), NOW)
    assert store.summary.totals().photos == 0
    assert put(store, b"/photos/a.jpg") == content
    assert store.work.of(content) == {}


def test_a_copy_in_a_removed_folder_is_found_by_its_other_names_alone(store: Store) -> None:
    content = put(store, b"/photos/lisbon/a.jpg", "same")
    put(store, b"/photos/porto/a.jpg", "same")
    store.results.refresh_words(content)
    assert store.results.names(content).split() == ["photos", "lisbon", "a", "porto"]
    store.removal.remove_folder(b"/photos/lisbon", (), NOW)
    assert store.results.names(content).split() == ["photos", "porto", "a"]
    assert store.words.best(store.words.terms(["lisbon"]), 9, 99).tolist() == []
    assert store.words.best(store.words.terms(["porto"]), 9, 99).tolist() == [content]
