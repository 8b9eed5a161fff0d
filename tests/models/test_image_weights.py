"""Which weights `auto` means for the image stage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgret.config import Places, Settings
from imgret.models import torch_device
from imgret.pipeline.loading import locate, resolved
from imgret.stages import registry
from imgret.stages.image import ON_CPU, ON_GPU, ImageSettings
from imgret.weights import record, sources

STAGE = registry.own()["image"]


def chosen(here: Places, device: str) -> str:
    return str(resolved(STAGE, Settings(device=device), here).weights)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def pulled(here: Places, name: str) -> None:
    record.put(os.path.join(here.state, record.PULLED), name, record.Record("c" * 40))


def test_auto_depends_on_the_device_until_a_model_was_pulled(here: Places) -> None:
    assert (chosen(here, "cpu"), chosen(here, "cuda:1")) == (ON_CPU, ON_GPU)
    pulled(here, ON_CPU)
    assert (chosen(here, "cpu"), chosen(here, "cuda")) == (ON_CPU, ON_CPU)
    pulled(here, ON_GPU)
    assert (chosen(here, "cpu"), chosen(here, "cuda")) == (ON_GPU, ON_GPU)
    assert locate(STAGE, Settings(device="cpu"), here).name == ON_GPU


def test_auto_uses_a_model_that_another_program_downloaded(here: Places, cache: Path) -> None:
    folder = Path(sources.hub_folder(ON_GPU)) / "snapshots" / ("d" * 40)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text("d" * 40)
    assert folder.is_relative_to(cache)
    assert chosen(here, "cpu") == ON_GPU


def test_a_named_model_is_used_as_it_is(here: Places) -> None:
    pulled(here, ON_GPU)
    settings = Settings().with_tables(image=ImageSettings(weights="openai/clip-vit-base-patch32"))
    assert resolved(STAGE, settings, here).weights == "openai/clip-vit-base-patch32"
    assert (
        locate(STAGE, Settings().with_tables(image=ImageSettings(weights="none")), here).kind
        is sources.Kind.NONE
    )


@pytest.mark.parametrize(("driver", "expected"), [("driver", True), ("missing", False)])
def test_a_gpu_is_recognised_by_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, expected: bool
) -> None:
    (tmp_path / "driver").touch()
    monkeypatch.setattr(torch_device, "_GPU_DRIVERS", (str(tmp_path / driver),))
    monkeypatch.setattr("sys.platform", "linux")
    assert torch_device.is_gpu_likely("auto") is expected
    assert torch_device.is_gpu_likely("cuda:0")
    assert not torch_device.is_gpu_likely("cpu")
