"""Runs of `Ingest` beside other processes that write to the same index: real files, decoder and embedder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgret import stage_results
from imgret.config import Settings
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError
from imgret.ingest import Ingest
from imgret.photo import ModelIdentity
from imgret.pipeline.models import Models
from imgret.stages.interface import Item, Result, StageModel
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import add_root, sync

SETTINGS = Settings()
ONE_BY_ONE = Settings(batch=1)
NOTE = "the ferry to Naxos"


class Watched(StageModel):
    """The real embedder, which lets another connection do something at each call."""

    def __init__(self, model: StageModel, meanwhile: Callable[[], None]) -> None:
        self._model = model
        self._meanwhile = meanwhile
        self.identity = model.identity
        self.dimension = model.dimension

    def run(self, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
        self._meanwhile()
        return self._model.run(items)


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


def look(store: Store, folder: Path) -> None:
    sync(store, SETTINGS, add_root(store, bytes(folder))[0])


def content(store: Store, path: Path) -> int:
    photo = store.photos.find(bytes(path))
    assert photo is not None
    assert photo.content is not None
    return photo.content


@pytest.mark.parametrize("before", [None, "an older note"])
def test_a_note_written_while_its_photo_is_described_is_in_its_vectors(
    store: Store, folder: Path, decoder: DecodePool, wordllama: StageModel, before: str | None
) -> None:
    draw(folder, 1)
    look(store, folder)
    photo = content(store, folder / "1.png")
    if before:
        store.results.write_note(photo, before)
    notes = [NOTE]

    def write() -> None:
        if notes:
            with open_store(store.path) as other, other.writing(durable=True):
                other.results.write_note(photo, notes.pop())
                other.work.queue(photo, ["embed"])

    Ingest(store, SETTINGS, Models({"embed": Watched(wordllama, write)})).run(decoder=decoder)
    assert "embed" not in store.work.of(photo)
    (expected,) = wordllama.run([Item(note=NOTE)])
    assert isinstance(expected, Result)
    expected_note = expected.vectors["note"]
    row = store.row("SELECT data FROM vector WHERE content = ? AND view = 'note'", (photo,))
    assert row is not None
    assert float(np.frombuffer(row[0], np.float16).astype(np.float32) @ expected_note) > 0.99


def test_a_run_ends_however_many_photos_keep_coming_and_notes_are_written(
    store: Store, folder: Path, decoder: DecodePool, wordllama: StageModel
) -> None:
    first, most = 40, 120  # more than the pipeline takes at once
    for number in range(first):
        draw(folder, number)
    look(store, folder)
    old = content(store, folder / "0.png")
    came = first

    def more() -> None:
        nonlocal came
        if came < most:  # without an end of the run, the next photo would always be there
            draw(folder, came)
            came += 1
            with open_store(store.path) as other:
                look(other, folder)
                other.results.write_note(old, f"version {came}")
                other.work.queue(old, ["embed"])

    described = Ingest(store, ONE_BY_ONE, Models({"embed": Watched(wordllama, more)})).run(decoder=decoder)
    assert described.done <= first + 1  # the noted photo once more
    assert store.work.due({"decode", "embed"}, 1 << 40) > 0
    came = most
    Ingest(store, SETTINGS, Models({"embed": wordllama})).run(decoder=decoder)
    assert store.work.due({"decode", "embed"}, 1 << 40) == 0


class Captioner(StageModel):
    """Calls every photo a ball."""

    identity = ModelIdentity("captioner", "2")

    def run(self, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
        return [Result(("a ball",)) for _ in items]


def test_a_photo_whose_data_cannot_be_used_fails_and_the_others_are_described(
    store: Store, folder: Path, decoder: DecodePool, wordllama: StageModel
) -> None:
    for number in range(3):
        draw(folder, number)
    look(store, folder)
    broken = content(store, folder / "1.png")
    store.results.save(broken, "caption", ModelIdentity("of another version", "1"), {"not": "a caption"})
    models = Models({"embed": wordllama})
    outcome = Ingest(store, SETTINGS, models).run(decoder=decoder)
    assert (outcome.done, outcome.failed) == (2, 1)
    assert [failure.path for failure in store.failures.all(5)] == [bytes(folder / "1.png")]


def test_a_stage_that_cannot_run_now_runs_later_on_the_new_results(
    store: Store, folder: Path, decoder: DecodePool, wordllama: StageModel
) -> None:
    draw(folder, 1)
    look(store, folder)
    photo = content(store, folder / "1.png")
    everything = ["decode", "metadata", "place", "image", "caption", "detect", "ocr", "topics", "embed"]
    stage_results.save(store, photo, "topics", ModelIdentity("classifier", "1"), Result(("pets",)))
    store.work.done(photo, everything)
    store.work.queue(photo, ["caption"])  # another captioner, while the classifier's weights are missing
    Ingest(store, SETTINGS, Models({"caption": Captioner(), "embed": wordllama})).run(decoder=decoder)
    assert set(store.work.of(photo)) == {"topics"}


def test_a_note_after_the_copy_of_the_original_was_deleted_is_in_the_vectors(
    store: Store, folder: Path, decoder: DecodePool, wordllama: StageModel
) -> None:
    def describe() -> None:
        look(store, folder)
        Ingest(store, SETTINGS, Models({"embed": wordllama})).run(decoder=decoder)

    for number in range(2):
        draw(folder, number)
    shutil.copy(folder / "1.png", folder / "copy.png")
    describe()
    store.results.write_note(content(store, folder / "1.png"), NOTE)
    with Image.open(folder / "1.png") as image:  # an edit of the metadata alone
        image.save(folder / "new.png", compress_level=0)
    (folder / "new.png").rename(folder / "1.png")
    describe()
    photo = content(store, folder / "1.png")
    assert store.results.note(photo) is None
    (folder / "copy.png").unlink()
    describe()
    assert store.results.note(photo) == NOTE
    assert store.row("SELECT 1 FROM vector WHERE content = ? AND view = 'note'", (photo,))
