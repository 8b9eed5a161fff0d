"""Removing folders: above others, inside others, during a scan, and adding them again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.config import Settings
from imgret.photo import FileStat
from imgret.store import paths, policy
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import add_root, sync

FOLDERS = (b"/p", b"/p/a", b"/p/a/x", b"/p/b", b"/q")
FILES = tuple(folder + b"/%d.jpg" % number for folder in FOLDERS for number in range(2))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        yield opened


def index_folder(store: Store, folder: bytes) -> None:
    """Save a file as a scan of the folder does."""
    add_root(store, folder)
    for number, path in enumerate(FILES):
        if paths.relative(folder, path):
            found = store.roots.enclosing(os.path.dirname(path))
            assert found is not None
            root, inside = found
            stamp = FileStat(1, 1, 1, number)
            store.photos.save(root.id, inside, os.path.basename(path), stamp, bytes([number]) * 32, 1)


def below(folders: set[bytes]) -> set[bytes]:
    return {path for path in FILES if any(paths.relative(folder, path) for folder in folders)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(FOLDERS)), max_size=8))
def test_exactly_the_photos_in_watched_folders_are_in_the_index(steps: list[tuple[str, bytes]]) -> None:
    watched: set[bytes] = set()
    with TemporaryDirectory() as folder_of_index, open_store(f"{folder_of_index}/index.db") as store:
        for now, (step, folder) in enumerate(steps):
            if step == "add":
                watched.add(folder)
                index_folder(store, folder)
            elif folder in watched:
                watched.remove(folder)
                store.removal.remove_folder(folder, watched, now)
            assert set(store.photos.all_paths()) == below(watched)
            listed = [root.path for root in store.roots.all()]
            assert not any(
                paths.relative(a, b) for a in listed for b in listed
            )  # no folder inside another one
            assert all(any(paths.relative(each, path) is not None for each in listed) for path in watched)
        assert store.problems() == []


def test_a_kept_folder_inside_a_removed_one_keeps_its_mounts_and_photos(store: Store) -> None:
    index_folder(store, b"/p")
    root = store.roots.all()[0]
    store.roots.mark_online(root.id, "ext4:1 /p")
    store.roots.mark_mounted(root.id, b"a/x", "vfat:2 /")
    assert store.removal.remove_folder(b"/p", {b"/p/a"}, 5) == 4
    (child,) = store.roots.all()
    assert (child.path, child.filesystem, child.watched) == (b"/p/a", "ext4:1 /p/a", True)
    assert [mount.folder for mount in store.roots.mounts(child.id)] == [b"x"]
    assert set(store.photos.all_paths()) == below({b"/p/a"})


def test_a_removed_folder_is_forgotten_after_30_days(store: Store) -> None:
    index_folder(store, b"/q")
    assert store.removal.remove_folder(b"/q", (), 5) == 2
    gone = store.photos.find(b"/q/0.jpg")
    assert gone is not None
    assert gone.gone_at == 5
    store.contents.purge(6 + policy.KEEP_TOMBSTONES)
    assert store.photos.find(b"/q/0.jpg") is None
    assert store.row("SELECT count(*) FROM root") == (0,)


def test_a_folder_that_was_just_added_is_not_forgotten(store: Store) -> None:
    add_root(store, b"/new")
    store.contents.purge(1)
    assert [root.path for root in store.roots.all()] == [b"/new"]


def test_a_scan_saves_nothing_after_its_folder_was_removed(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(600):  # more than one transaction
        (folder / f"{number:03}.jpg").write_bytes(b"%d" % number)
    root, _ = add_root(store, bytes(folder))
    with open_store(store.path) as other:

        def remove_it(seen: int) -> None:
            assert seen == 600
            other.removal.remove_folder(bytes(folder), (), 5)

        found = sync(store, Settings(), root, on_progress=remove_it)
    assert found.removed
    assert list(store.photos.all_paths()) == []
    assert sync(store, Settings(), root).removed
    assert sync(store, Settings(), add_root(store, bytes(folder))[0]).seen == 600
    assert len(list(store.photos.all_paths())) == 600


def test_a_root_that_comes_online_is_scanned_completely(store: Store, tmp_path: Path) -> None:
    for name in ("photos/a", "photos/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.jpg").write_bytes(name.encode())
    root, _ = add_root(store, bytes(tmp_path / "photos"))
    sync(store, Settings(), root)
    store.roots.mark_offline(root.id, "unplugged")
    (tmp_path / "photos/b/1.jpg").unlink()
    (root,) = store.roots.all()
    sync(store, Settings(), root, folders=[b"a"], recursive=False)
    assert list(store.photos.all_paths()) == [bytes(tmp_path / "photos/a/1.jpg")]
