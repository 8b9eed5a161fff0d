"""Weights that refer to program code are refused before a library loads them, without a prompt."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.config import Places, Settings
from imgret.demo.bundled import MODELS
from imgret.errors import WeightsError
from imgret.pipeline.loading import load_models
from imgret.stages.embed import EmbedSettings
from imgret.stages.topics import TopicsSettings
from imgret.weights import vetting

CODE = "import pathlib\npathlib.Path({mark!r}).touch()\nclass C: pass\n"


def copied(stage: str, to: Path) -> Path:
    folder = to / stage
    shutil.copytree(os.path.join(MODELS, stage), folder)
    return folder


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | values))


def refused(folder: Path, file: str, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason) as error:
        vetting.check(str(folder))
    assert str(folder / file) in str(error.value)
    assert "no code" in error.value.hint


@pytest.mark.parametrize("stage", ["caption", "topics", "embed"])
def test_ordinary_weights_are_accepted(stage: str) -> None:
    vetting.check(os.path.join(MODELS, stage))
    vetting.check(os.path.join(MODELS, "detect.pt"))


@pytest.mark.parametrize(
    "file",
    [
        "config.json",
        "tokenizer_config.json",
        "processor_config.json",
        "preprocessor_config.json",
        "generation_config.json",
        "2_Dense/config.json",
    ],
)
def test_code_beside_the_weights_is_refused_in_every_file(tmp_path: Path, file: str) -> None:
    folder = copied("embed", tmp_path)
    change(folder / file, auto_map={"AutoConfig": "code.C"})
    refused(folder, file, "auto_map")
    change(folder / file, auto_map={}, inner=[{"text_config": {"auto_map": "code.C"}}])
    refused(folder, file, "auto_map")


def test_files_are_checked_despite_case_and_links_and_hidden_folders_are_skipped(tmp_path: Path) -> None:
    folder = copied("topics", tmp_path)
    (folder / ".git").mkdir()
    change(folder / ".git" / "config.json", auto_map={"AutoConfig": "code.C"})
    vetting.check(str(folder))
    change(tmp_path / "blob", auto_map={"AutoConfig": "code.C"})
    (folder / "Processor_Config.JSON").symlink_to(tmp_path / "blob")
    refused(folder, "Processor_Config.JSON", "auto_map")


def test_other_files_that_run_code_or_load_other_weights_are_refused(tmp_path: Path) -> None:
    for number, (file, values, reason) in enumerate(
        (
            ("sentence_bert_config.json", {"model_args": {"trust_remote_code": True}}, "trust_remote_code"),
            ("config.json", {"_attn_implementation_internal": "someone/kernel"}, "kernel"),
            ("config.json", {"attn_implementation": {"": "someone/kernel@main"}}, "kernel"),
            ("2_Dense/config.json", {"activation_function": "os.abort"}, "os.abort"),
            ("2_Dense/config.json", {"activation_function": "torch.utils.cpp_extension.C"}, "cpp_extension"),
            ("adapter_config.json", {"base_model_name_or_path": "/elsewhere"}, "changes how"),
        )
    ):
        folder = copied("embed", tmp_path / str(number))
        change(folder / file, **values)
        refused(folder, file, reason)
    folder = copied("caption", tmp_path)
    (folder / "custom_generate").mkdir()
    refused(folder, "custom_generate", "changes how")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"type": "code.C", "path": ""}, "does not support: 'code.C'"),
        ({"type": "os.abort", "path": ""}, "does not support"),
        ({"type": "sentence_transformers.util.misc.import_from_string", "path": ""}, "does not support"),
        ({"type": "sentence_transformers.Transformer\n", "path": ""}, "does not support"),
        ({"type": 1}, "does not support"),
        ({}, "does not support"),
        ({"type": "sentence_transformers.models.Dense", "path": "../other"}, "refers to a path outside"),
        ({"type": "sentence_transformers.models.Dense", "path": "/etc"}, "refers to a path outside"),
        ({"type": "sentence_transformers.models.Dense", "path": ".."}, "refers to a path outside"),
    ],
)
def test_modules_must_be_known_and_inside_the_folder(
    tmp_path: Path, entry: dict[str, object], reason: str
) -> None:
    folder = copied("embed", tmp_path)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, entry]))
    refused(folder, "modules.json", reason)


def test_published_module_names_are_accepted(tmp_path: Path) -> None:
    """The names in hkunlp/instructor-large, written by sentence-transformers 2."""
    folder = copied("embed", tmp_path)
    names = ("Transformer", "Pooling", "Dense", "Normalize")
    entries = [{"type": f"sentence_transformers.models.{name}", "path": f"1_{name}"} for name in names]
    (folder / "modules.json").write_text(json.dumps(entries))
    change(folder / "2_Dense" / "config.json", activation_function="torch.nn.modules.linear.Identity")
    vetting.check(str(folder))


def test_a_word_in_a_vocabulary_is_accepted(tmp_path: Path) -> None:
    folder = copied("topics", tmp_path)
    change(folder / "vocab.json", auto_map=7, trust_remote_code=8, some_implementation=9)
    vetting.check(str(folder))


@given(
    text=st.one_of(st.text(), st.just("[" * 100_000), st.binary().map(lambda data: data.decode("latin-1")))
)
def test_any_text_is_accepted_or_refused_with_the_file_name(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "config.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        vetting.check(str(folder))
    except WeightsError as error:
        assert str(folder / "config.json") in str(error)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(vetting.MOST_JSON + 1)
    refused(tmp_path, "config.json", "larger than")


def settings(folder: Path) -> Settings:
    return Settings(device="cpu").with_tables(
        topics=TopicsSettings(weights=str(folder / "topics")),
        embed=EmbedSettings(weights=str(folder / "embed")),
    )


@pytest.fixture
def coded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models that refer to code in their folder, and a user who confirms every prompt."""
    for stage in ("topics", "embed"):
        folder = copied(stage, tmp_path)
        (folder / "code.py").write_text(CODE.format(mark=str(tmp_path / "ran")))
        names = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")
        change(folder / "config.json", model_type="unknown", auto_map=dict.fromkeys(names, "code.C"))
        change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["code.C", None]})
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 20))
    return tmp_path


@pytest.mark.must_run
def test_a_stage_whose_weights_refer_to_code_is_skipped_with_a_message(coded: Path, here: Places) -> None:
    models = load_models(settings(coded), here, {"topics", "embed"})
    for stage in ("topics", "embed"):
        assert str(coded / stage / "config.json") in models.missing[stage]
        assert "refers to program code (auto_map)" in models.missing[stage]
    assert not (coded / "ran").exists()


@pytest.mark.must_run
def test_the_libraries_are_called_without_trust_in_remote_code(
    coded: Path, here: Places, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second line of defence alone: code that the check might overlook is neither run nor offered to the user."""
    monkeypatch.setattr(vetting, "check", lambda path: None)
    models = load_models(settings(coded), here, {"topics", "embed"})
    assert set(models.missing) == {"topics", "embed"}
    assert not (coded / "ran").exists()
    assert "[y/N]" not in "".join(capfd.readouterr())
