"""The message of a stage whose package is not installed, and the extra that has the package."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from imgret.demo.bundled import demo_settings
from imgret.pipeline import loading
from imgret.places import Places
from imgret.stages import registry
from imgret.stages.detect import DetectSettings
from imgret.stages.metadata import MetadataSettings

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
EXTRAS = {
    name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()
}


def required_by(extra: str) -> set[str]:
    """Return the packages of an extra, those of the extras in it included."""
    inner = {name for each in EXTRAS[extra] for name in each.extras if each.name == PROJECT["name"]}
    own = {each.name for each in EXTRAS[extra]} - {PROJECT["name"]}
    return own.union(*map(required_by, inner))


def test_the_extra_all_has_every_stage() -> None:
    stages = set(registry.own().names) & EXTRAS.keys()
    assert stages >= {"image", "caption", "detect", "ocr", "topics", "embed", "place"}
    assert required_by("all") >= set().union(*map(required_by, stages))


@pytest.mark.parametrize("stage", ["image", "caption", "topics", "embed", "detect"])
@pytest.mark.parametrize("module", ["torch", "transformers", "sentence_transformers", "ultralytics"])
def test_a_stage_without_its_package_names_the_extra(
    stage: str, module: str, here: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, own = demo_settings(), registry.own().get(stage)
    needed = own.packages(settings.of(stage), loading.locate(own, settings, here).path)
    monkeypatch.setitem(sys.modules, module, None)
    found = loading.locate(own, settings, here)
    assert found.present == (module not in needed)
    if module in needed:
        assert found.needs == module
        assert f"`pip install 'imgret[{stage}]'`" in found.hint
        assert module.replace("_", "-") in required_by(stage)
        assert found.hint in loading.missing(settings, here)[stage]
        assert found.hint in loading.load_models(settings, here, [stage]).missing[stage]


def test_detection_from_onnx_needs_onnxruntime_alone(
    here: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"a network")
    settings = demo_settings().with_tables(detect=DetectSettings(weights=str(tmp_path / "a.onnx")))
    own = registry.own().get("detect")
    for module in ("torch", "ultralytics"):
        monkeypatch.setitem(sys.modules, module, None)
    assert loading.locate(own, settings, here).present
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "imgret[onnx]" in loading.locate(own, settings, here).hint


def test_the_small_embedder_needs_no_package(here: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    own = registry.own().get("embed")
    for module in ("torch", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, module, None)
    model = loading.load_model(own, demo_settings(), here)
    assert model.identity.name.startswith("wordllama")


def test_the_metadata_of_files_with_weights_that_are_none_is_left_out(here: Places) -> None:
    settings = demo_settings().with_tables(metadata=MetadataSettings(weights="someone/model"))
    skipped: dict[str, str] = {}
    models = loading.load_models(settings, here, ["metadata", "place"], on_skip=skipped.__setitem__)
    assert models.missing.keys() == skipped.keys() == {"metadata"}
    assert "someone/model" in skipped["metadata"]
    assert "metadata" not in models.stages()
    assert "place" in models.stages()
