"""Roots, roots inside roots, and the disks that are mounted below them."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import NOW, delete, digest, put, stat

from imgret.store import paths, records
from imgret.store.interface import Store

PLACES = (b"/", b"/p", b"/p/a", b"/p/a/x", b"/p/ab", b"/p2", b"/q/\xff")
FOLDERS = (b"", b"a", b"a/b", b"a/b/c", b"a0", b"ab", b"a\xff")


@pytest.fixture
def root(store: Store) -> records.Root:
    return store.roots.add(b"/photos")


def test_a_new_root_is_online_unwatched_and_not_scanned(store: Store) -> None:
    root = store.roots.add(b"/photos/\xff")
    assert root == records.Root(root.id, b"/photos/\xff", None, False, True, None, None)
    assert store.roots.all() == [root]
    assert store.roots.is_active(root.id)
    assert store.roots.mounts(root.id) == []


def test_adding_a_root_again_changes_only_what_is_given(store: Store, root: records.Root) -> None:
    assert store.roots.add(b"/photos", watched=True).watched
    assert store.roots.add(b"/photos").watched
    assert not store.roots.add(b"/photos", watched=False).watched
    assert [each.id for each in store.roots.all()] == [root.id]


def test_roots_are_given_by_path(store: Store) -> None:
    for path in (b"/q", b"/p2", b"/p", b"/P", b"/\xff", b"/p.d"):
        store.roots.add(path)
    assert [root.path for root in store.roots.all()] == [b"/P", b"/p", b"/p.d", b"/p2", b"/q", b"/\xff"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(PLACES), unique=True), st.sampled_from(PLACES), st.booleans())
def test_roots_never_overlap_and_every_photo_stays(
    engine: Engine, added: list[bytes], at: bytes, offline: bool
) -> None:
    with engine.empty() as store:
        kept: dict[bytes, int] = {}
        for path in added:
            if store.roots.enclosing(path) is not None:
                continue
            root = store.roots.add(path)
            if offline:
                store.roots.mark_online(root.id, f"disk of {path!r}")
                store.roots.mark_offline(root.id, "unplugged")
            photo = paths.join(path, b"folder", b"%d.jpg" % len(kept))
            kept[photo] = put(store, photo)
            assert set(store.photos.all_paths()) == set(kept)
            for each, content in kept.items():
                found = store.photos.find(each)
                assert found is not None
                assert (found.content, found.online) == (content, not offline)
        listed = [root.path for root in store.roots.all()]
        assert all(
            paths.relative(a, b) is None and paths.relative(b, a) is None for a, b in combinations(listed, 2)
        )
        above = [each for each in listed if paths.relative(each, at) is not None]
        found_at = store.roots.enclosing(at)
        assert (found_at is None) == (not above)
        if found_at is not None:
            assert found_at[0].path == above[0]
            assert found_at[1] == paths.relative(above[0], at)


def test_a_root_takes_in_the_roots_inside_it(store: Store) -> None:
    inner = store.roots.add(b"/photos/2021", watched=True)
    content, _ = store.photos.save(inner.id, b"", b"a.jpg", stat(), digest("a"), NOW)
    store.photos.save(inner.id, b"may", b"b.jpg", stat(), digest("a"), NOW)
    store.roots.mark_mounted(inner.id, b"card", "vfat:1")
    store.roots.mark_unmounted(inner.id, b"card", "pulled out")
    assert store.roots.enclosing(b"/photos") is None
    outer = store.roots.add(b"/photos")
    assert [root.path for root in store.roots.all()] == [b"/photos"]
    assert not store.roots.is_active(inner.id)
    assert store.photos.known_folders(outer.id) == {b"2021", b"2021/may"}
    assert {photo.path for photo in store.photos.paths(content)} == {
        b"/photos/2021/a.jpg",
        b"/photos/2021/may/b.jpg",
    }
    assert store.roots.mounts(outer.id) == [records.MountPoint(b"2021/card", "vfat:1", "pulled out")]
    found = store.roots.enclosing(b"/photos/2021")
    assert found is not None
    assert (found[0].id, found[1]) == (outer.id, b"2021")


def test_a_root_that_is_away_stays_away_inside_another(store: Store) -> None:
    inner = store.roots.add(b"/photos/stick")
    content, _ = store.photos.save(inner.id, b"", b"a.jpg", stat(), digest("a"), NOW)
    store.roots.mark_online(inner.id, "vfat:1")
    store.roots.mark_offline(inner.id, "unplugged")
    outer = store.roots.add(b"/photos")
    assert store.roots.mounts(outer.id) == [records.MountPoint(b"stick", "vfat:1", "unplugged")]
    assert [photo.online for photo in store.photos.paths(content)] == [False]
    assert outer.online


def test_the_root_of_a_file(store: Store, root: records.Root) -> None:
    assert store.roots.root_of(b"/photos/a/b/x.jpg") == (root, b"a/b", b"x.jpg")
    assert store.roots.root_of(b"/photos/x.jpg") == (root, b"", b"x.jpg")
    assert store.roots.root_of(b"/photos") is None
    assert store.roots.root_of(b"/photos2/x.jpg") is None
    assert store.roots.root_of(b"/x.jpg") is None


def test_a_removed_root_is_known_by_its_files_alone(store: Store, root: records.Root) -> None:
    put(store, b"/photos/a.jpg")
    store.removal.remove_folder(b"/photos", (), NOW)
    assert store.roots.all() == []
    assert store.roots.enclosing(b"/photos") is None
    assert not store.roots.is_active(root.id)
    found = store.roots.root_of(b"/photos/a.jpg")
    assert found is not None
    assert (found[0].id, *found[1:]) == (root.id, b"", b"a.jpg")
    again = store.roots.add(b"/photos")
    assert again.id == root.id
    assert store.roots.is_active(root.id)


def test_offline_is_a_mark_and_deletes_nothing(store: Store, root: records.Root) -> None:
    content = put(store, b"/photos/a.jpg")
    store.roots.mark_offline(root.id, "unplugged")
    assert [photo.online for photo in store.photos.paths(content)] == [False]
    (away,) = store.roots.all()
    assert (away.online, away.reason) == (False, "unplugged")
    store.roots.mark_online(root.id, "disk-7")
    assert [photo.online for photo in store.photos.paths(content)] == [True]
    store.roots.mark_online(root.id, None)
    (back,) = store.roots.all()
    assert (back.online, back.reason, back.filesystem) == (True, None, "disk-7")


def test_a_scan_is_remembered(store: Store, root: records.Root) -> None:
    store.roots.mark_scanned(root.id, NOW)
    assert [each.scanned_at for each in store.roots.all()] == [NOW]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["mount", "unmount", "forget"]), st.sampled_from(FOLDERS)), max_size=8)
)
def test_photos_on_a_disk_that_is_away_are_offline_and_no_others(
    engine: Engine, steps: list[tuple[str, bytes]]
) -> None:
    with engine.empty() as store:
        root, other = store.roots.add(b"/p"), store.roots.add(b"/q")
        for number, folder in enumerate(FOLDERS):
            store.photos.save(root.id, folder, b"x.jpg", stat(), digest(str(number)), NOW)
            store.photos.save(other.id, folder, b"x.jpg", stat(), digest(str(number)), NOW)
        mounts: dict[bytes, str | None] = {}
        for step, folder in steps:
            if step == "forget":
                store.roots.forget_mounts(root.id, folder)
                mounts = {
                    at: why for at, why in mounts.items() if paths.relative(folder, at) is None and folder
                }
            elif not folder:  # a root itself is marked by `mark_offline`
                continue
            elif step == "mount":
                store.roots.mark_mounted(root.id, folder, "vfat:1")
                mounts[folder] = None
            else:
                store.roots.mark_unmounted(root.id, folder, "away")
                if folder in mounts:
                    mounts[folder] = "away"
            found = {mount.folder: mount.reason for mount in store.roots.mounts(root.id)}
            assert found == mounts
        away = [at for at, why in mounts.items() if why]
        for folder in FOLDERS:
            here = store.photos.find(paths.join(b"/p", folder, b"x.jpg"))
            there = store.photos.find(paths.join(b"/q", folder, b"x.jpg"))
            assert here is not None
            assert there is not None
            assert here.online == (not any(paths.relative(at, folder) is not None for at in away))
            assert there.online


def test_a_folder_may_be_on_another_filesystem_after_that_is_accepted(
    store: Store, root: records.Root
) -> None:
    def identities() -> tuple[str | None, set[bytes]]:
        (now,) = store.roots.all()
        return now.filesystem, {mount.folder for mount in store.roots.mounts(now.id)}

    store.roots.mark_online(root.id, "ext4:1")
    for folder in (b"a", b"a/b", b"ab"):
        store.roots.mark_mounted(root.id, folder, "vfat:1")
    store.roots.accept_any_filesystem(b"/photos/a")
    assert identities() == ("ext4:1", {b"ab"})
    store.roots.accept_any_filesystem(b"/elsewhere")
    assert identities() == ("ext4:1", {b"ab"})
    store.roots.accept_any_filesystem(b"/photos")
    assert identities() == (None, set())


def test_an_unknown_root_is_not_active_and_has_nothing(store: Store) -> None:
    assert not store.roots.is_active(99)
    assert store.roots.mounts(99) == []
    assert store.photos.known(99, b"") == {}
    assert store.photos.known_folders(99) == set()
    assert not store.photos.any_known(99)


def test_tombstones_of_both_roots_are_kept_when_one_takes_in_the_other(store: Store) -> None:
    outer = store.roots.add(b"/photos")
    put(store, b"/photos/a/x.jpg", "before")
    store.removal.remove_folder(b"/photos", (), NOW)
    store.roots.add(b"/photos/a")
    after = put(store, b"/photos/a/x.jpg", "after")
    put(store, b"/photos/a/y.jpg")
    delete(store, b"/photos/a/y.jpg")
    assert store.roots.add(b"/photos").id == outer.id
    found = store.photos.find(b"/photos/a/x.jpg")
    assert found is not None
    assert (found.content, found.gone_at) == (after, None)
    gone = store.photos.find(b"/photos/a/y.jpg")
    assert gone is not None
    assert gone.gone_at == NOW
    assert list(store.photos.all_paths()) == [b"/photos/a/x.jpg"]
