"""Codes of a library on a server: each host keeps its own file of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from coded_library import PHOTOS, add, filled, images, same, save, vectors
from postgres_server import PostgresServer

from imgret.search import saved_codes
from imgret.search.warm_index import WarmIndex, loaded
from imgret.store.interface import Store
from imgret.store.postgres import pg_nearest


@pytest.fixture
def library(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "one"))
    monkeypatch.setattr(pg_nearest, "EXACT", 200)
    place = postgres_server.new_library()
    with filled(place) as made:
        yield made
    postgres_server.remove_library(place)


def test_a_file_in_the_state_folder_gives_what_the_library_gives(library: Store, tmp_path: Path) -> None:
    warm = save(library)
    stage = images(library).stage
    file = Path(saved_codes.path_of(library.path, stage))
    assert file.parent == tmp_path / "one" / "imgret"
    assert file.stat().st_mode & 0o777 == 0o600
    found = WarmIndex(library, loaded)
    assert all(each is not None for each in found._filed.values())
    same(warm, found)
    assert saved_codes.attach(library, images(library)) is None  # one search uses the index of the server

    new = vectors(99_999)[2]
    add(library, range(PHOTOS + 1, PHOTOS + 30))
    with library.writing() as db:
        db.execute("DELETE FROM vector WHERE content = 7")
    found = WarmIndex(library, loaded)
    memory = found.memories[images(library).id]
    assert len(memory) == library.nearest.count(images(library)) == PHOTOS + 29 - 1
    assert memory.nearest(vectors(PHOTOS + 29)[2], 1).tolist() == [PHOTOS + 29]
    assert not np.isin(7, memory.nearest(new, PHOTOS * 2)).any()


def test_each_host_has_its_own_file_and_mark(
    library: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgret.store.factory import open_store

    warm = save(library)
    stage = images(library).stage
    first = Path(saved_codes.path_of(library.path, stage))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    with open_store(library.path) as other:
        assert saved_codes.load(other, images(other)) is None
        save(other)
        assert saved_codes.load(other, images(other)) is not None
        # The file of one host is nothing to the other: it has another mark.
        Path(saved_codes.path_of(library.path, stage)).write_bytes(first.read_bytes())
        assert saved_codes.load(other, images(other)) is None
        saved_codes.remove_unfit(other)
        assert not Path(saved_codes.path_of(library.path, stage)).exists()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "one"))
    same(warm, WarmIndex(library, loaded))
    assert saved_codes.load(library, images(library)) is not None
