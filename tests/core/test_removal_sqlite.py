"""Removing folders during a scan, and roots that come back, with real files. tests/store has the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgret.config import Settings
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import add_root, sync


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        yield opened


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
