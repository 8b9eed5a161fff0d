"""Text embedders by name: tiny checkpoints of sentence-transformers, of its StaticEmbedding, and of model2vec."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_embedders import MAKERS, PROMPTS

from imgret.config import Places, Settings
from imgret.demo.bundled import MODELS
from imgret.errors import WeightsError
from imgret.models import embedders
from imgret.photo import ModelIdentity
from imgret.pipeline import loading
from imgret.stages import registry
from imgret.stages.embed import EmbedModel, EmbedSettings
from imgret.stages.interface import Item, Result

KINDS = sorted(MAKERS)
TEXTS = ["a red dog", "a cat on grass near water . a blue cat", "", "zzz", "dog " * 60, "A Photo : query"]
Folder = Callable[[str], Path]
STAGE = registry.own()["embed"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Return folder(kind) -> the checkpoint of a kind, which tests must not change."""
    made: dict[str, Path] = {}

    def find(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("embedders") / kind
            MAKERS[kind](made[kind])
        return made[kind]

    return find


def loaded(path: Path, here: Places, **settings: Any) -> EmbedModel:
    model = STAGE.load(EmbedSettings(weights=str(path), **settings), here, "cpu")
    assert isinstance(model, EmbedModel)
    return model


def documents(model: EmbedModel, texts: list[str]) -> Any:
    return model.embedder.embed([("represent the sports title:", text) for text in texts])


def queries(model: EmbedModel, texts: list[str]) -> Any:
    return model.encode_query(texts, [{} for _ in texts])


@pytest.mark.must_run
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_of_unit_length_and_do_not_depend_on_the_batch(
    folder: Folder, here: Places, kind: str
) -> None:
    model = loaded(folder(kind), here)
    for encode in (documents, queries):
        together = encode(model, TEXTS)
        assert together.dtype == np.float32
        assert together.shape == (len(TEXTS), model.dimension)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
        for text, row in zip(TEXTS, together, strict=True):
            np.testing.assert_allclose(encode(model, [text])[0], row, atol=1e-5)
    assert documents(model, []).shape == (0, model.dimension)
    model.close()


@pytest.mark.parametrize("kind", ["bert", "qwen", "static"])
def test_vectors_are_those_of_the_library(folder: Folder, here: Places, kind: str) -> None:
    from sentence_transformers import SentenceTransformer

    model, library = loaded(folder(kind), here), SentenceTransformer(str(folder(kind)), device="cpu")
    texts = [text for text in TEXTS if text or kind != "static"]  # a mean of no tokens
    for ours, theirs in (
        (documents(model, texts), library.encode_document(texts)),
        (queries(model, texts), library.encode_query(texts)),
    ):
        theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.allclose(documents(model, texts), queries(model, texts)) == (
        kind == "static"
    )  # it has no prompts
    model.close()


def test_model2vec_is_the_weighted_mean_without_unknown_words(folder: Folder, here: Places) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(folder("model2vec") / "model.safetensors")
    rows = tensors["embeddings"][tensors["mapping"]].astype(np.float32) * tensors["weights"][:, None]
    tokenizer = json.loads((folder("model2vec") / "tokenizer.json").read_text())["model"]["vocab"]
    mean = rows[tokenizer["red"]] + rows[tokenizer["dog"]]
    model = loaded(folder("model2vec"), here)
    np.testing.assert_allclose(documents(model, ["Red zzz dog"])[0], mean / np.linalg.norm(mean), atol=1e-5)
    model.close()


@pytest.mark.parametrize("kind", ["bert", "static"])
def test_prompts_of_the_settings_replace_those_of_the_model(folder: Folder, here: Places, kind: str) -> None:
    own = loaded(folder(kind), here)
    given = loaded(folder(kind), here, query_prompt="query : ", document_prompt="")
    prompt = "" if kind == "static" else PROMPTS["query"]
    same = loaded(folder(kind), here, query_prompt=prompt)
    np.testing.assert_allclose(queries(same, TEXTS[:2]), queries(own, TEXTS[:2]), atol=1e-6)
    assert not np.allclose(queries(given, TEXTS[:2]), queries(own, TEXTS[:2]), atol=1e-3)
    assert np.allclose(documents(given, TEXTS[:2]), documents(own, TEXTS[:2]), atol=1e-5) == (
        kind == "static"
    )
    assert len({model.identity for model in (own, given, same)}) == 3
    for model in (own, given, same):
        model.close()


@pytest.mark.must_run
@pytest.mark.parametrize("kind", KINDS)
def test_the_identity_is_known_without_loading_and_leads_back(
    folder: Folder, here: Places, kind: str
) -> None:
    settings = EmbedSettings(weights=str(folder(kind)), query_prompt="a ]null, ")
    identity = STAGE.identity(settings, here)
    assert identity is not None
    assert STAGE.query_inputs(identity) == ()  # no topics for a query
    assert STAGE.settings_of(identity, EmbedSettings(), here) == settings
    given = Settings().with_tables(embed=EmbedSettings())  # another one is configured now
    model = loading.load_model_of(STAGE, identity, given, here)
    assert model.identity == identity
    model.close()


def test_instructor_keeps_its_identity_and_its_instructions(here: Places) -> None:
    path = Path(MODELS) / "embed"
    model = loaded(path, here)
    assert model.identity == STAGE.identity(EmbedSettings(weights=str(path)), here)
    assert model.identity.settings == "dtype=auto"  # as in indexes of earlier versions
    assert STAGE.query_inputs(model.identity) == ("topics",)
    one, other = model.embedder.embed(
        [("represent the sports title:", "a dog"), ("represent the  title:", "a dog")]
    )
    assert not np.allclose(one, other)
    model.close()
    with pytest.raises(WeightsError, match="instructions are made from topics"):
        loaded(path, here, query_prompt="x")


@pytest.mark.parametrize(
    ("files", "name", "expected"),
    [
        ({}, "x", "sentence"),
        ({"modules.json": "{", "config.json": "[]"}, "x", "sentence"),
        ({}, "hkunlp/instructor-xl", "instructor"),
        ({"config.json": '{"_name_or_path": "hkunlp/INSTRUCTOR-large"}'}, "x", "instructor"),
        ({"config.json": '{"model_type": "model2vec"}'}, "instructor", "static"),
        ({"config.json": '{"architectures": ["StaticModel"]}'}, "x", "static"),
    ],
)
def test_kinds(tmp_path: Path, files: dict[str, str], name: str, expected: str) -> None:
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    assert embedders.kind(str(tmp_path), name) == expected


def test_a_static_embedder_needs_no_torch(folder: Folder, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from imgret.config import places\n"
        "from imgret.stages import registry\n"
        "from imgret.stages.embed import EmbedSettings\n"
        "model = registry.own()['embed'].load(EmbedSettings(weights=sys.argv[1]), places(), 'auto')\n"
        "assert model.encode_query(['a dog'], [{}]).shape == (1, model.dimension)\n"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)\n"
    )
    for kind in ("static", "model2vec"):
        subprocess.run(
            [sys.executable, "-c", program, str(folder(kind))],
            check=True,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            timeout=60,
        )


def test_a_photo_is_embedded_with_one_text_of_all_captions(folder: Folder, here: Places) -> None:
    model = loaded(folder("bert"), here)
    (made,) = model.run([Item(results={"caption": ("a picture of a dog", "a picture of a cat")})])
    assert isinstance(made, Result)
    assert set(made.vectors) == {"captions", "passage"}
    expected = documents(model, ["a picture of a dog. a cat", "a picture of a dog  is in the photo . "])
    np.testing.assert_allclose(made.vectors["captions"], expected[0], atol=1e-5)
    np.testing.assert_allclose(made.vectors["passage"], expected[1], atol=1e-5)
    model.close()


def spoil(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        (
            "static",
            lambda folder: (folder / "0_StaticEmbedding/tokenizer.json").unlink(),
            "tokenizer.json cannot",
        ),
        (
            "static",
            spoil("0_StaticEmbedding/model.safetensors", b"nothing"),
            "model.safetensors cannot be loaded",
        ),
        ("model2vec", spoil("tokenizer.json", b"{}"), "tokenizer.json cannot be loaded"),
        ("bert", spoil("config.json", b"{}"), "cannot be loaded"),
        (
            "bert",
            spoil("modules.json", b'[{"type": "evil.Module", "path": ""}]'),
            "does not support: 'evil.Module'",
        ),
        (
            "bert",
            spoil("modules.json", b'[{"type": "sentence_transformers.models.Pooling", "path": ".."}]'),
            "outside",
        ),
    ],
)
def test_a_folder_that_cannot_be_loaded_is_named(
    folder: Folder, here: Places, tmp_path: Path, kind: str, change: Callable[[Path], object], problem: str
) -> None:
    copy = tmp_path / kind
    shutil.copytree(folder(kind), copy)
    change(copy)
    with pytest.raises(WeightsError, match=problem) as refused:
        loaded(copy, here)
    assert kind in str(refused.value)
    assert refused.value.hint


def test_a_table_with_too_few_vectors_is_refused(folder: Folder, here: Places, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    copy = tmp_path / "few"
    shutil.copytree(folder("static"), copy)
    table = np.ones((3, 8), np.float32)
    save_file({"embedding.weight": table}, copy / "0_StaticEmbedding/model.safetensors")
    with pytest.raises(WeightsError, match="has vectors for 3 of 23 tokens"):
        loaded(copy, here)


def test_a_model_of_another_name_is_another_identity(folder: Folder, here: Places) -> None:
    found = {kind: STAGE.identity(EmbedSettings(weights=str(folder(kind))), here) for kind in KINDS}
    assert len(set(found.values())) == len(KINDS)
    assert {kind: identity and identity.settings for kind, identity in found.items()} == {
        "bert": "dtype=auto prompts=[null,null]",
        "qwen": "dtype=auto prompts=[null,null]",
        "static": "prompts=[null,null]",
        "model2vec": "prompts=[null,null]",
    }
    assert STAGE.query_inputs(None) == ("topics",)
    assert STAGE.query_inputs(ModelIdentity("wordllama", "1")) == ()
