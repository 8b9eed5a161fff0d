"""The wordllama embedder: the same vectors as the package, without the package's imports."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from imgret.config import Places, Settings
from imgret.errors import WeightsError
from imgret.models.model_protocols import Embedder
from imgret.pipeline.loading import load_model
from imgret.stages import registry
from imgret.stages.embed import EmbedSettings

TEXTS = [
    "a red circle on a plain white background",
    "two giraffes",
    "",
    "  ",
    "x",
    "Ünïcödé 長頸鹿 🦒",
    "a line\nand a\ttab",
    "two giraffe , one tree ,  is in the photo . " * 40,
    *(f"picture number {number} of a dog on a beach" for number in range(600)),
]


@pytest.fixture
def embedder(here: Places) -> Embedder:
    return load_model(
        registry.own()["embed"], Settings().with_tables(embed=EmbedSettings(weights="wordllama")), here
    ).embedder


@pytest.mark.must_run
def test_vectors_equal_those_of_the_package(embedder: Embedder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wordllama
    package = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    filled = [text for text in TEXTS if text.strip()]
    ours = embedder.embed([("an instruction that is ignored", text) for text in filled])
    theirs = package.embed(filled, norm=True)
    assert np.abs(ours - theirs).max() < 1e-6


def test_every_vector_has_unit_norm(embedder: Embedder) -> None:
    vectors = embedder.embed([("", text) for text in TEXTS])
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_a_package_that_keeps_its_weights_elsewhere_is_reported(
    here: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = importlib.util.spec_from_file_location("wordllama", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: moved)
    with pytest.raises(WeightsError, match=r"this version of wordllama has no .*l2_supercat_256"):
        load_model(
            registry.own()["embed"], Settings().with_tables(embed=EmbedSettings(weights="wordllama")), here
        )
