"""Codes in a file give what the index gives, at any later time of that index; whatever does not fit is ignored."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.photo import FileStat, ModelIdentity
from imgret.search import saved_codes
from imgret.search.warm_index import WarmIndex, WarmIndexLoader, attached, loaded
from imgret.store import codes_file
from imgret.store.codes_file import Unfit
from imgret.store.factory import open_store, restore
from imgret.store.interface import Store
from imgret.store.records import IMAGE, SpaceTraits
from imgret.store.sqlite import nearest

TEXTS, IMAGES = ModelIdentity("texts", "1"), ModelIdentity("images", "1")
PHOTOS, DIMENSION = 700, 280
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def never() -> bool:
    return False


def vectors(number: int) -> Any:
    rows = np.random.default_rng(number).standard_normal((3, DIMENSION)) * np.arange(1, DIMENSION + 1) ** -0.4
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def add(store: Store, numbers: Any) -> None:
    with store.writing():
        root = store.roots.add(b"/photos").id
        for number in numbers:
            passage, captions, image = vectors(number)
            name = b"%d.jpg" % number
            content, _ = store.photos.save(root, b"", name, FileStat(1, 1, 1, number), b"%032d" % number, 1)
            store.vectors.save(content, TEXTS, {"passage": passage, "captions": captions})
            store.vectors.save(content, IMAGES, {"image": image}, IMAGE, SpaceTraits("image", 1.0))


def filled(path: Path) -> Store:
    store = open_store(str(path))
    add(store, range(1, PHOTOS + 1))
    store.vectors.rebuild()
    return store


@pytest.fixture(scope="module", autouse=True)
def coded() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "EXACT", 200)
        patch.setattr(codes_file, "PART", 16 << 10)
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with filled(tmp_path / "index.db") as made:
        yield made


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A library that does not change, with a copy of the file of its images."""
    with filled(tmp_path_factory.mktemp("kept") / "index.db") as made:
        save(made)
        Path(f"{made.path}.original").write_bytes(file_of(made).read_bytes())
        yield made


def original(store: Store) -> bytes:
    return Path(f"{store.path}.original").read_bytes()


def save(store: Store) -> WarmIndex:
    warm = WarmIndex(store)
    warm.save(store, never)
    return warm


def file_of(store: Store, stage: str = IMAGE) -> Path:
    return Path(f"{store.path}.{stage}.codes")


def images(store: Store) -> Any:
    return next(space for space in store.vectors.active_spaces() if space.stage == IMAGE)


def same(one: WarmIndex, other: WarmIndex, *, codes: bool = True) -> None:
    """Both find the same photos; with the same `codes`, they score them alike."""
    assert one.memories.keys() == other.memories.keys()
    for number, memory in one.memories.items():
        for seed in (10_001, 10_002):
            query = vectors(seed)[0]
            right, found = (each.nearest(query, 40) for each in (memory, other.memories[number]))
            assert len(np.intersect1d(right, found)) >= (39 if codes else 36)
            if not codes:
                continue
            expected, scored = (
                each.scores(query, right, fine=True) for each in (memory, other.memories[number])
            )
            assert np.allclose(expected, scored, atol=1e-5)


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
from imgret.search import saved_codes
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


def test_an_index_on_a_server_has_no_file() -> None:
    assert saved_codes.path_of("postgresql://host/photos", "image") is None
