"""Runs of `Ingest` beside other processes that write to the same index: real files, decoder and embedder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgret.config import Settings
from imgret.decode.pool import DecodePool
from imgret.ingest import Ingest
from imgret.models.interface import Embedder, Models
from imgret.photo import Description, ModelIdentity, Stage, View
from imgret.stages import passage
from imgret.store.sqlite import photos, results, work
from imgret.store.sqlite.connection import Index
from imgret.sync import add_root, sync

SETTINGS = Settings()
ONE_BY_ONE = Settings(batch=1)
NOTE = "the ferry to Naxos"


class Watched:
    """The real embedder, which lets another connection do something whenever it is asked."""

    def __init__(self, embedder: Embedder, meanwhile: Callable[[], None]) -> None:
        self._embedder = embedder
        self._meanwhile = meanwhile

    @property
    def identity(self) -> ModelIdentity:
        return self._embedder.identity

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def embed(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self._meanwhile()
        return self._embedder.embed(pairs)


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    return made


def draw(folder: Path, number: int) -> None:
    Image.new("RGB", (24, 16), (number * 40 % 256, number, 90)).save(folder / f"{number}.png")


def look(index: Index, folder: Path) -> None:
    sync(index, SETTINGS, add_root(index, bytes(folder))[0])


def content(index: Index, path: Path) -> int:
    photo = photos.find(index, bytes(path))
    assert photo is not None
    assert photo.content is not None
    return photo.content


@pytest.mark.parametrize("before", [None, "an older note"])
def test_a_note_written_while_its_photo_is_described_is_in_its_vectors(
    index: Index, folder: Path, decoder: DecodePool, wordllama: Embedder, before: str | None
) -> None:
    draw(folder, 1)
    look(index, folder)
    photo = content(index, folder / "1.png")
    if before:
        results.write_note(index, photo, before)
    notes = [NOTE]

    def write() -> None:
        if notes:
            with Index(index.path) as other, other.writing(durable=True):
                results.write_note(other, photo, notes.pop())
                work.queue(other, photo, [Stage.EMBED])

    Ingest(index, SETTINGS, Models(embed=Watched(wordllama, write))).run(decoder=decoder)
    assert Stage.EMBED not in work.of(index, photo)
    (told,) = wordllama.embed([(passage.instruction(()), passage.views(Description(note=NOTE))[View.NOTE])])
    row = index.row("SELECT data FROM vector WHERE content = ? AND view = 'note'", (photo,))
    assert row is not None
    assert float(np.frombuffer(row[0], np.float16).astype(np.float32) @ told) > 0.99


def test_a_run_ends_however_many_photos_keep_coming_and_notes_are_written(
    index: Index, folder: Path, decoder: DecodePool, wordllama: Embedder
) -> None:
    first, most = 40, 120  # more than the pipeline takes at once
    for number in range(first):
        draw(folder, number)
    look(index, folder)
    old = content(index, folder / "0.png")
    came = first

    def more() -> None:
        nonlocal came
        if came < most:  # without an end of the run, the next photo would always be there
            draw(folder, came)
            came += 1
            with Index(index.path) as other:
                look(other, folder)
                results.write_note(other, old, f"version {came}")
                work.queue(other, old, [Stage.EMBED])

    described = Ingest(index, ONE_BY_ONE, Models(embed=Watched(wordllama, more))).run(decoder=decoder)
    assert described.done <= first + 1  # the noted photo once more
    assert work.due(index, {Stage.DECODE, Stage.EMBED}, 1 << 40) > 0
    came = most
    Ingest(index, SETTINGS, Models(embed=wordllama)).run(decoder=decoder)
    assert work.due(index, {Stage.DECODE, Stage.EMBED}, 1 << 40) == 0


def test_a_note_that_comes_when_the_copy_of_the_original_is_gone_is_in_the_vectors(
    index: Index, folder: Path, decoder: DecodePool, wordllama: Embedder
) -> None:
    def describe() -> None:
        look(index, folder)
        Ingest(index, SETTINGS, Models(embed=wordllama)).run(decoder=decoder)

    for number in range(2):
        draw(folder, number)
    shutil.copy(folder / "1.png", folder / "copy.png")
    describe()
    results.write_note(index, content(index, folder / "1.png"), NOTE)
    with Image.open(folder / "1.png") as image:  # an edit of the metadata alone
        image.save(folder / "new.png", compress_level=0)
    (folder / "new.png").rename(folder / "1.png")
    describe()
    photo = content(index, folder / "1.png")
    assert results.note(index, photo) is None
    (folder / "copy.png").unlink()
    describe()
    assert results.note(index, photo) == NOTE
    assert index.row("SELECT 1 FROM vector WHERE content = ? AND view = 'note'", (photo,))
