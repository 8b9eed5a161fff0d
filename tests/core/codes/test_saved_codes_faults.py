"""A file of codes that is damaged, incomplete or of another index is ignored, and nothing gets into memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coded_library import IMAGES, file_of, filled, images, never, same, save, vectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.config import Settings, places
from imgret.photo import ModelIdentity
from imgret.search import saved_codes
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.search.warm_index import WarmIndex, WarmIndexLoader, loaded
from imgret.store.codes_file import Unfit
from imgret.store.interface import Store
from imgret.store.records import IMAGE

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A library that does not change, with a copy of the file of its images."""
    with filled(tmp_path_factory.mktemp("kept") / "index.db") as made:
        save(made)
        Path(f"{made.path}.original").write_bytes(file_of(made).read_bytes())
        yield made


def original(store: Store) -> bytes:
    return Path(f"{store.path}.original").read_bytes()


@FEW
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_gets_into_memory(kept: Store, place: float, bit: int) -> None:
    store, data = kept, original(kept)
    damaged = bytearray(data)
    damaged[int(place * len(data))] ^= 1 << bit
    file_of(store).write_bytes(damaged)
    try:
        assert saved_codes.load(store, images(store)) is None
        found = saved_codes.attach(
            store, images(store)
        )  # codes are not checked here: a wrong one moves one photo
        if found is not None:
            assert len(found.memory.nearest(vectors(3)[2], 20)) == 20
    finally:
        file_of(store).write_bytes(data)
    assert saved_codes.load(store, images(store)) is not None


@FEW
@given(length=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_short_is_ignored(kept: Store, length: float) -> None:
    store, data = kept, original(kept)
    file_of(store).write_bytes(data[: int(length * len(data))])
    try:
        assert saved_codes.load(store, images(store)) is None
        assert saved_codes.attach(store, images(store)) is None
    finally:
        file_of(store).write_bytes(data)


def test_a_file_that_is_cut_short_while_it_is_searched_is_given_up(store: Store) -> None:
    save(store)
    loader = WarmIndexLoader(store.path, load=False)
    warm = loader.current(store)
    assert warm is not None
    os.truncate(file_of(store), 5000)
    with pytest.raises(Unfit, match="cut short"):
        warm.memories[images(store).id].nearest(vectors(3)[2], 20)
    loader.detach()
    assert loader.current(store) is None


class Encoders:
    """Encodes every text as the vector of a photo, for whichever model."""

    def encoder(self, stage: str, wanted: ModelIdentity) -> Any:
        return self._Encoder(wanted)

    def for_query_image(self, stages: Any) -> Any:
        raise NotImplementedError

    class _Encoder:
        def __init__(self, identity: ModelIdentity) -> None:
            self.identity = identity

        def vectors(self, texts: list[str]) -> Any:
            row = 2 if self.identity == IMAGES else 0
            return np.stack([vectors(3)[row] for _ in texts])


def test_a_search_goes_on_with_the_tables_when_the_file_is_cut_short(store: Store) -> None:
    save(store)
    loader = WarmIndexLoader(store.path, load=False)
    service = SearchService(store, Settings(), places(), Encoders(), loader)
    request = SearchRequest(text="anything", limit=5)
    first = service.find(request)
    assert first.hits[0].content == 3
    assert loader.current(store) is not None
    os.truncate(file_of(store), 5000)
    again = service.find(request)
    assert again.hits[0].content == 3
    assert loader.current(store) is None


@pytest.mark.parametrize("what", ["symlink", "folder", "pipe", "older version"])
def test_what_is_no_file_of_codes_is_ignored(kept: Store, what: str) -> None:
    store, data = kept, original(kept)
    path = file_of(store)
    path.unlink()
    try:
        if what == "symlink":
            Path(f"{path}.elsewhere").write_bytes(data)
            path.symlink_to(f"{path}.elsewhere")
        elif what == "folder":
            path.mkdir()
        elif what == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(b"imgret codes 0\n\0" + data[16:])
        assert saved_codes.load(store, images(store)) is None
        assert saved_codes.attach(store, images(store)) is None
    finally:
        path.rmdir() if what == "folder" else path.unlink()
        path.write_bytes(data)


def test_the_file_of_another_index_is_ignored_and_deleted_by_the_writer(store: Store, tmp_path: Path) -> None:
    save(store)
    with filled(tmp_path / "other.db") as other:
        save(other)
        os.replace(file_of(other), file_of(store))
    assert saved_codes.load(store, images(store)) is None
    assert saved_codes.attach(store, images(store)) is None
    file_of(store, "gone").write_bytes(b"x")
    Path(f"{file_of(store)}.part").write_bytes(b"x")
    elsewhere = tmp_path / "index.db.notes.txt"
    elsewhere.write_bytes(b"x")
    saved_codes.remove_unfit(store)
    assert file_of(store, "embed").exists()
    assert elsewhere.exists()
    assert not any(map(os.path.exists, (file_of(store), file_of(store, "gone"), f"{file_of(store)}.part")))


def test_writing_that_is_stopped_leaves_the_file_that_was_there(store: Store) -> None:
    warm = save(store)
    before = file_of(store).read_bytes()
    (each,) = (each for each in warm._spaces.values() if each.memory.space.stage == IMAGE)
    steps = iter([False] * 5)
    assert not saved_codes.save(store, each, lambda: next(steps, True))
    assert file_of(store).read_bytes() == before
    assert not os.path.exists(f"{file_of(store)}.part")
    assert saved_codes.load(store, images(store)) is not None


KILLED = """
import os, signal, sys
from imgret.config import Settings, places
from imgret.photo import ModelIdentity
from imgret.search import saved_codes
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.search.warm_index import WarmIndex
from imgret.store import codes_file
from imgret.store.factory import open_store
codes_file.PART = 16 << 10
path, step = sys.argv[1], int(sys.argv[2])
steps = iter(range(10**6))
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if step < 0:  # when the index has the mark and the file has not its name
    os.replace = die
with open_store(path) as store:
    for each in WarmIndex(store)._spaces.values():
        if each.memory.space.stage == "image":
            saved_codes.save(store, each, lambda: die() if next(steps) == step else False)
"""


@pytest.mark.parametrize("step", [0, 3, 12, -1])
def test_a_process_that_is_killed_while_it_writes_leaves_an_index_that_is_searched_as_before(
    store: Store, step: int
) -> None:
    warm = save(store)
    command = [sys.executable, "-c", KILLED, store.path, str(step)]
    died = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    fits = saved_codes.load(store, images(store)) is not None
    assert fits == (step >= 0)
    again = WarmIndex(store, loaded)
    same(warm, again)
    again.save(store, never)
    assert not os.path.exists(f"{file_of(store)}.part")
    assert saved_codes.load(store, images(store)) is not None
