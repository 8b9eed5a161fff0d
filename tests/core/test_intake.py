"""Batches of new files that cannot be saved as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from imgret.config import Settings
from imgret.store.interface import Store
from imgret.sync import add_root, sync


def test_a_file_that_cannot_be_saved_does_not_make_the_others_count_twice(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg", "bad.jpg", "empty.jpg"):
        (folder / name).write_bytes(b"" if name == "empty.jpg" else name.encode())
        os.utime(folder / name, (1_600_000_000, 1_600_000_000))
    save = store.photos.save

    def save_all_but_one(root: int, inside: bytes, name: bytes, *rest: Any) -> tuple[int, bool]:
        if name == b"bad.jpg":
            raise ValueError("no such row")
        return save(root, inside, name, *rest)

    monkeypatch.setattr(store.photos, "save", save_all_but_one)
    outcome = sync(store, Settings(), add_root(store, bytes(folder))[0])
    assert (outcome.new, outcome.moved, outcome.changed, outcome.unreadable) == (3, 0, 0, 1)
    assert sorted(outcome.problems) == [
        f"{folder}/bad.jpg cannot be indexed: ValueError no such row",
        f"{folder}/empty.jpg is empty",
    ]
