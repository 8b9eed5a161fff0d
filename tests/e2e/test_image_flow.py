"""The image stage in a library: switched on later, without its weights, with other weights in the same folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import DRAWN, NO_MODELS, Library, draw, imgret

from imgret.demo.bundled import MODELS

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

OTHERS_OFF = NO_MODELS.replace('[image]\nweights = "none"\n', "") + '[embed]\nweights = "none"\n'


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    found = Library(tmp_path)
    found.photos.mkdir()
    for number, (name, what) in enumerate(DRAWN.items()):
        draw(found.photos / name, *what, seed=number)
    for name, value in found.environ().items():
        monkeypatch.setenv(name, value)
    found.config.write_text(OTHERS_OFF + '[image]\nweights = "none"\n')
    return found


def switch_on(library: Library, weights: str | Path = f"{MODELS}/image") -> None:
    library.config.write_text(
        f'device = "cpu"\ndecode_workers = 1\n{OTHERS_OFF}[image]\nweights = "{weights}"\n'
    )


def found(query: str) -> tuple[list[str], str]:
    done = imgret("query", query)
    return [os.path.basename(path) for path in done.paths], done.err


@pytest.mark.must_run
def test_a_library_gets_its_image_vectors_later_and_is_searched_by_them(library: Library):
    assert library.index().code == 0
    assert found("a yellow circle")[0] == []
    switch_on(library)
    assert library.index().code == 0
    assert library.status()["stages"]["image"] == 0
    for name, (colour, kind, _) in DRAWN.items():
        assert found(f"a {colour} {kind}")[0][0] == name
    assert "image" in library.shown("IMG_1.jpg")["models"]
    draw(library.photos / "IMG_6.jpg", "blue", "circle", "white")
    assert library.index().code == 0
    assert found("a blue circle")[0][0] == "IMG_6.jpg"


def test_a_query_of_ten_thousand_characters_gets_a_result(library: Library):
    switch_on(library)
    library.index()
    assert found("a red circle " * 760)[0]


def test_missing_weights_are_reported_once_and_nothing_waits_for_them(library: Library):
    library.config.write_text(OTHERS_OFF)
    first, second = library.index(), library.index()
    assert (first.code, second.code) == (0, 0)
    assert "searches see no images" in first.err
    assert "google/siglip2-base-patch32-256 is not on this disk" in first.err
    assert "image" not in second.err
    assert imgret("query", "IMG_1").paths
    assert library.status()["waiting"] == {"image": 5}
    assert "image    missing  google/siglip2-base-patch32-256" in imgret("models", "list").out.decode()
    assert "image: google/siglip2-base-patch32-256" in imgret("doctor").out.decode()


def test_weights_that_cannot_be_loaded_have_the_same_reason_everywhere(library: Library, tmp_path: Path):
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "half"
    shutil.copytree(f"{MODELS}/image", folder)
    tensors = load_file(folder / "model.safetensors")
    half = {name: tensor for name, tensor in tensors.items() if not name.startswith("text")}
    save_file(half, folder / "model.safetensors", {"format": "pt"})
    switch_on(library, folder)
    done = library.index()
    (reason,) = [line for line in done.err.splitlines() if "no weights of the text tower" in line]
    assert library.status()["waiting_reasons"] == {"image": reason}
    assert f"5 without image: {reason}" in imgret("status").out.decode()
    doctor = imgret("doctor")
    assert (doctor.code, reason in doctor.out.decode()) == (3, True)
    switch_on(library)
    assert library.index().code == 0
    assert library.status()["waiting_reasons"] == {}
    assert imgret("doctor").code == 0


@pytest.mark.must_run
def test_weights_of_another_dimension_in_the_same_folder(library: Library, tmp_path: Path):
    import image_text_checkpoints

    weights = tmp_path / "weights"
    shutil.copytree(f"{MODELS}/image", weights)
    switch_on(library, weights)
    library.index()
    assert found("a red circle")[0][0] == "IMG_1.jpg"
    shutil.rmtree(weights)
    image_text_checkpoints.clip(weights)
    names, err = found("a red circle")  # the vectors are those of the encoder that is no longer there
    assert names == []
    assert "the vectors of image were not searched" in err
    assert "`imgret index`" in err
    assert library.index().code == 0
    assert len(found("a red circle")[0]) == 5
    assert {
        row[0] for row in library.rows("SELECT dimension FROM space WHERE stage = 'image' AND active")
    } == {24}


@pytest.mark.parametrize("tower", ["vision_model", "text_model"])
def test_a_checkpoint_without_a_tower_stops_the_stage_alone(library: Library, tmp_path: Path, tower: str):
    from safetensors.torch import load_file, save_file

    weights = tmp_path / "weights"
    shutil.copytree(f"{MODELS}/image", weights)
    tensors = load_file(weights / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in tensors.items() if not name.startswith(tower)},
        weights / "model.safetensors",
    )
    switch_on(library, weights)
    done = library.index()
    part = "image" if tower == "vision_model" else "text"
    assert f"{weights} has no weights of the {part} tower" in done.err
    assert library.status()["photos"] == 5
    assert imgret("query", "IMG_1").paths
