"""Codes in a file give what the index gives, at any later time of that index."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coded_library import (
    IMAGES,
    PHOTOS,
    add,
    file_of,
    images,
    never,
    same,
    save,
    vectors,
)

from imgret.search import saved_codes
from imgret.search.warm_index import WarmIndex, attached, loaded
from imgret.store.factory import open_store, restore
from imgret.store.interface import Store
from imgret.store.records import IMAGE, SpaceTraits


@pytest.mark.parametrize("load", [loaded, attached])
def test_a_file_gives_what_the_index_gives(store: Store, load: Any) -> None:
    warm = save(store)
    for stage in ("embed", IMAGE):
        assert stat.S_IMODE(file_of(store, stage).stat().st_mode) == 0o600
    found = WarmIndex(store, load)
    assert all(each is not None for each in found._filed.values())
    same(warm, found)


@pytest.mark.parametrize("load", [loaded, attached])
def test_later_changes_of_the_index_are_taken_in(store: Store, load: Any) -> None:
    save(store)
    add(store, range(PHOTOS + 1, PHOTOS + 30))
    new = vectors(99_999)[2]
    with store.writing():
        store.vectors.save(5, IMAGES, {"image": new}, IMAGE, SpaceTraits("image", 1.0))
    for content in (7, 8):
        store.vectors.remove(content)
    found = WarmIndex(store, load)
    memory = found.memories[images(store).id]
    assert memory.nearest(new, 1).tolist() == [5]
    for number in (PHOTOS + 1, PHOTOS + 29):
        assert memory.nearest(vectors(number)[2], 1).tolist() == [number]
    if load is loaded:
        assert len(memory) == store.nearest.count(images(store)) == PHOTOS + 29 - 2
        assert not np.isin([7, 8], memory.nearest(vectors(7)[2], PHOTOS * 2)).any()
    add(store, [PHOTOS + 50])
    assert found.refresh(store)
    assert memory.nearest(vectors(PHOTOS + 50)[2], 1).tolist() == [PHOTOS + 30]


def test_a_file_is_written_again_only_when_much_has_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgret.search.warm_index.SAVED", 10)
    warm = save(store)
    first = file_of(store).read_bytes()
    for count, written in ((10, False), (1, True)):
        add(
            store,
            range(store.nearest.count(images(store)) + 1, store.nearest.count(images(store)) + count + 1),
        )
        warm.refresh(store)
        warm.save(store, never)
        assert (file_of(store).read_bytes() != first) == written
    same(warm, WarmIndex(store, attached))


@pytest.mark.parametrize("older", [True, False], ids=["backup before the file", "backup after the file"])
def test_a_backup_has_the_file_that_was_written_before_it(store: Store, tmp_path: Path, older: bool) -> None:
    backup, path = str(tmp_path / "backup.db"), store.path
    save(store)
    if older:
        store.backup(backup)
        add(store, range(PHOTOS + 1, PHOTOS + 20))
        save(store)
    else:
        store.backup(backup)
        add(store, range(PHOTOS + 1, PHOTOS + 20))
    store.close()
    restore(path, backup)
    with open_store(path) as restored:
        add(restored, range(PHOTOS + 100, PHOTOS + 110))  # with the ids of the vectors that are gone
        found = saved_codes.load(restored, images(restored))
        assert (found is None) == older
        warm = WarmIndex(restored, loaded)
        same(WarmIndex(restored), warm, codes=False)
        memory = warm.memories[images(restored).id]
        assert memory.nearest(vectors(PHOTOS + 105)[2], 1).tolist() == [PHOTOS + 6]


def test_another_model_or_other_codes_do_not_fit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save(store)
    with monkeypatch.context() as patch:
        patch.setattr("imgret.search.view_blend.BANK", 32)  # a version that blends in another way
        assert saved_codes.load(store, images(store)) is None
    assert saved_codes.load(store, images(store)) is not None
    with store.writing() as db:
        db.execute("UPDATE projection SET learned_from = learned_from + 1")
    assert saved_codes.load(store, images(store)) is None
