"""Folders that are removed: above others, inside others, while they are scanned, and added again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.config import Settings
from imgret.photo import Fingerprint
from imgret.store.sqlite import contents, photos, roots
from imgret.store.sqlite.connection import Index
from imgret.store.sqlite.removal import remove
from imgret.sync import add_root, sync

FOLDERS = (b"/p", b"/p/a", b"/p/a/x", b"/p/b", b"/q")
FILES = tuple(folder + b"/%d.jpg" % number for folder in FOLDERS for number in range(2))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(str(tmp_path / "index.db")) as opened:
        yield opened


def take_in(index: Index, folder: bytes) -> None:
    """What a scan of the folder does."""
    add_root(index, folder)
    for number, path in enumerate(FILES):
        if roots.relative(folder, path):
            found = roots.enclosing(index, os.path.dirname(path))
            assert found is not None
            root, inside = found
            stamp = Fingerprint(1, 1, 1, number)
            photos.save(index, root.id, inside, os.path.basename(path), stamp, bytes([number]) * 32, 1)


def below(folders: set[bytes]) -> set[bytes]:
    return {path for path in FILES if any(roots.relative(folder, path) for folder in folders)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(FOLDERS)), max_size=8))
def test_exactly_what_lies_in_watched_folders_is_alive(steps: list[tuple[str, bytes]]) -> None:
    watched: set[bytes] = set()
    with TemporaryDirectory() as folder_of_index, Index(f"{folder_of_index}/index.db") as index:
        for now, (step, folder) in enumerate(steps):
            if step == "add":
                watched.add(folder)
                take_in(index, folder)
            elif folder in watched:
                watched.remove(folder)
                remove(index, folder, watched, now)
            assert set(photos.every_path(index)) == below(watched)
            listed = [root.path for root in roots.roots(index)]
            assert not any(roots.relative(a, b) for a in listed for b in listed)  # none inside another
            assert all(any(roots.relative(each, path) is not None for each in listed) for path in watched)
        assert index.problems() == []


def test_a_folder_in_a_removed_one_keeps_its_disks_and_photos(index: Index) -> None:
    take_in(index, b"/p")
    root = roots.roots(index)[0]
    roots.mark_online(index, root.id, "ext4:1 /p")
    roots.mark_mounted(index, root.id, b"a/x", "vfat:2 /")
    assert remove(index, b"/p", {b"/p/a"}, 5) == 4
    (child,) = roots.roots(index)
    assert (child.path, child.filesystem, child.watched) == (b"/p/a", "ext4:1 /p/a", True)
    assert [mount.folder for mount in roots.mounts(index, child.id)] == [b"x"]
    assert set(photos.every_path(index)) == below({b"/p/a"})


def test_a_removed_folder_is_known_for_30_days_and_then_forgotten(index: Index) -> None:
    take_in(index, b"/q")
    assert remove(index, b"/q", (), 5) == 2
    gone = photos.find(index, b"/q/0.jpg")
    assert gone is not None
    assert gone.gone_at == 5
    contents.purge(index, 6 + contents.KEEP_TOMBSTONES)
    assert photos.find(index, b"/q/0.jpg") is None
    assert index.row("SELECT count(*) FROM root") == (0,)


def test_a_folder_that_was_just_added_is_not_forgotten(index: Index) -> None:
    add_root(index, b"/new")
    contents.purge(index, 1)
    assert [root.path for root in roots.roots(index)] == [b"/new"]


def test_a_scan_of_a_folder_that_is_removed_meanwhile_saves_nothing_more(
    index: Index, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(600):  # more than one transaction
        (folder / f"{number:03}.jpg").write_bytes(b"%d" % number)
    root, _ = add_root(index, bytes(folder))
    with Index(index.path) as other:

        def remove_it(seen: int) -> None:
            assert seen == 600
            remove(other, bytes(folder), (), 5)

        found = sync(index, Settings(), root, on_progress=remove_it)
    assert found.removed
    assert list(photos.every_path(index)) == []
    assert sync(index, Settings(), root).removed
    assert sync(index, Settings(), add_root(index, bytes(folder))[0]).seen == 600
    assert len(list(photos.every_path(index))) == 600


def test_a_root_that_comes_back_is_looked_at_as_a_whole(index: Index, tmp_path: Path) -> None:
    for name in ("photos/a", "photos/b"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.jpg").write_bytes(name.encode())
    root, _ = add_root(index, bytes(tmp_path / "photos"))
    sync(index, Settings(), root)
    roots.mark_offline(index, root.id, "unplugged")
    (tmp_path / "photos/b/1.jpg").unlink()
    (root,) = roots.roots(index)
    sync(index, Settings(), root, folders=[b"a"], recursive=False)
    assert list(photos.every_path(index)) == [bytes(tmp_path / "photos/a/1.jpg")]
