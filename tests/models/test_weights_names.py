"""The meaning of weight names, and where the files are; no model is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from imgret.config import Places, Settings
from imgret.errors import WeightsError, WeightsMissing
from imgret.pipeline import loading
from imgret.pipeline.loading import identities
from imgret.stages import registry
from imgret.stages.caption import CaptionSettings
from imgret.stages.detect import DetectSettings
from imgret.stages.embed import EmbedSettings
from imgret.stages.interface import StageSettings
from imgret.stages.metadata import MetadataSettings
from imgret.stages.ocr import OcrSettings
from imgret.stages.place import PlaceSettings
from imgret.weights import record, sources
from imgret.weights.sources import Kind


def locate(stage: str, here: Places, table: StageSettings | None = None) -> sources.Weights:
    """The weights of a stage with this table, or its default one."""
    settings = Settings().with_tables(**{stage: table} if table else {})
    return loading.locate(registry.own()[stage], settings, here)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("none", Kind.NONE),
        ("wordllama", Kind.PACKAGED),
        ("noamrot/FuseCap_Image_Captioning", Kind.HUB),
        ("models/caption", Kind.HUB),
        ("/srv/models/caption", Kind.LOCAL),
        ("./caption", Kind.LOCAL),
        ("../caption", Kind.LOCAL),
        ("~/models/caption", Kind.LOCAL),
        ("yolov8m-oiv7.pt", Kind.RELEASE),
        ("yolo11n.pt", Kind.RELEASE),
        ("./yolov8m-oiv7.pt", Kind.LOCAL),
        ("birds.pt", Kind.LOCAL),
        ("yolov8n_int8.onnx", Kind.LOCAL),
    ],
)
def test_kind_of_a_name(name: str, kind: Kind) -> None:
    assert sources.kind(name) is kind


@given(st.text(min_size=1))
def test_a_release_name_never_refers_to_a_path_outside_the_models_folder(name: str) -> None:
    if sources.kind(name) is Kind.RELEASE:
        assert os.path.basename(name) == name


def test_a_file_in_the_working_folder_is_not_used_as_the_official_release(
    here: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yolov8m-oiv7.pt").write_bytes(b"a pickle that somebody left here")
    monkeypatch.chdir(tmp_path)
    found = locate("detect", here)
    assert not found.present
    with pytest.raises(WeightsMissing, match=r"yolov8m-oiv7\.pt is not on this disk"):
        sources.checked(found, here)


def test_a_release_file_that_was_not_downloaded_by_imgret_is_not_loaded(here: Places) -> None:
    path = Path(sources.release_path(locate("detect", here), here))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"put there by hand")
    assert not locate("detect", here).present


def test_a_relative_name_is_relative_to_the_configuration_file(
    here: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "birds.onnx").write_bytes(b"onnx")
    monkeypatch.chdir("/")
    found = locate("detect", here, DetectSettings(weights="birds.onnx"))
    assert found.present
    assert found.path == str(tmp_path / "birds.onnx")


@pytest.mark.parametrize(
    ("stage", "name", "sentence"),
    [
        ("detect", "/nowhere/birds.pt", "/nowhere/birds.pt does not exist"),
        ("detect", "/etc", "/etc is not a .pt or .onnx file"),
        ("caption", "/etc", "/etc is not a folder with a config.json"),
        ("caption", "someone/model", "someone/model is not on this disk"),
        ("caption", "wordllama", "wordllama is an embedder and nothing else"),
    ],
)
def test_missing_weights_are_reported(here: Places, stage: str, name: str, sentence: str) -> None:
    table = {"detect": DetectSettings, "caption": CaptionSettings}[stage]
    found = locate(stage, here, table(weights=name))
    assert not found.present
    assert found.problem == sentence
    assert found.hint


def test_the_identity_of_a_local_folder_depends_on_its_content(here: Places, tmp_path: Path) -> None:
    folder = tmp_path / "caption"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"one")
    (folder / "README.md").write_text("not part of the model")
    settings = Settings().with_tables(caption=CaptionSettings(weights=str(folder)))
    first = identities(settings, here)["caption"]
    assert first.name == "caption"
    assert first.revision.startswith("sha256:")
    assert identities(settings, here)["caption"] == first

    (folder / "README.md").write_text("still not part of the model")
    assert identities(settings, here)["caption"] == first

    (folder / "model.safetensors").write_bytes(b"two")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert identities(settings, here)["caption"].revision != first.revision


def test_a_fifo_in_a_local_folder_does_not_block(here: Places, tmp_path: Path) -> None:
    folder = tmp_path / "caption"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    os.mkfifo(folder / "vocab.txt")
    os.mkfifo(folder / "tokenizer.json")
    found = locate("caption", here, CaptionSettings(weights=str(folder)))
    assert sources.checked(found, here) == str(folder)


def test_a_local_folder_can_be_pinned_to_its_content(here: Places, tiny: Settings) -> None:
    revision = identities(tiny, here)["caption"].revision
    pinned = tiny.with_tables(caption=replace(tiny.of("caption"), revision=revision))
    assert loading.locate(registry.own()["caption"], pinned, here).present
    other = tiny.with_tables(caption=replace(tiny.of("caption"), revision="sha256:0"))
    assert "while sha256:0 is pinned" in (
        loading.locate(registry.own()["caption"], other, here).problem or ""
    )


def test_the_identity_contains_the_settings_that_affect_the_result(here: Places, tiny: Settings) -> None:
    fewer = tiny.with_tables(caption=replace(tiny.of("caption"), beams=1))
    changed = {
        stage for stage, found in identities(fewer, here).items() if found != identities(tiny, here)[stage]
    }
    assert changed == {"caption"}


def test_disabled_and_missing_stages_have_no_identity_and_the_offline_embedder_replaces_the_embedder(
    here: Places,
) -> None:
    off = {"caption": CaptionSettings(weights="none")}
    off |= {"ocr": OcrSettings(weights="none"), "place": PlaceSettings(weights="none")}
    off |= {"metadata": MetadataSettings(weights="none")}
    found = identities(Settings().with_tables(**off), here)
    assert set(found) == {"embed"}
    assert found["embed"].name == "wordllama"
    assert identities(Settings().with_tables(**off, embed=EmbedSettings(weights="none")), here) == {}


def test_hashes_are_cached_in_a_private_file(here: Places, tiny: Settings) -> None:
    identities(tiny, here)
    kept = os.path.join(here.state, record.LOCAL)
    assert os.stat(kept).st_mode & 0o777 == 0o600
    before = os.stat(kept).st_mtime_ns
    identities(tiny, here)
    assert os.stat(kept).st_mtime_ns == before


def test_a_damaged_record_is_reported_and_a_damaged_hash_cache_is_rebuilt(
    here: Places, tiny: Settings
) -> None:
    os.makedirs(here.state)
    for name in (record.PULLED, record.LOCAL):
        Path(here.state, name).write_text("not = [toml")
    assert len(identities(tiny, here)) == 7
    with pytest.raises(WeightsError, match=r"weights\.lock\.toml is damaged"):
        identities(Settings(), here)


def test_a_read_only_state_folder_only_disables_the_cache(here: Places, tiny: Settings) -> None:
    Path(here.state).write_text("a file where the folder should be")
    assert len(identities(tiny, here)) == 7


@settings(deadline=None, max_examples=40)  # each example is written with fsync
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.builds(
            record.Record,
            st.text(st.characters(exclude_categories=["Cs"])),
            st.dictionaries(
                st.text(min_size=1).filter(lambda name: name.isprintable()),
                st.builds(
                    record.File, st.integers(0, 2**40), st.text("0123456789abcdef"), st.integers(0, 2**62)
                ),
            ),
        ),
        max_size=4,
    )
)
def test_a_record_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, records: dict[str, record.Record]
) -> None:
    path = str(tmp_path_factory.mktemp("record") / "weights.lock.toml")
    for name, kept in records.items():
        record.put(path, name, kept)
    assert record.read(path) == records


def test_locating_weights_imports_neither_torch_nor_transformers_nor_the_hub() -> None:
    program = (
        "import sys\n"
        "from imgret.config import Settings, places\n"
        "from imgret.pipeline.loading import identities, load_model\n"
        "from imgret.stages import registry\n"
        "identities(Settings(), places()); load_model(registry.find('embed'), Settings(), places())\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'sentence_transformers', 'ultralytics'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""
