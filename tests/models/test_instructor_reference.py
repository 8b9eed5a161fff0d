"""INSTRUCTOR vectors equal those of the package InstructorEmbedding and of sentence-transformers' `encode`."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from imgret.config import Settings
from imgret.demo.training_data import LABELS
from imgret.pipeline.models import Models
from imgret.stages import passage

WORDS = [
    "a",
    "red",
    "circle",
    "two",
    "squares",
    "on",
    "white",
    "black",
    "picture",
    "of",
    "large",
    "zzyxw",
    "ünïcödé",
    "写真",
    ",",
    ".",
    "!",
    "holiday",
    "giraffe",
]


def pairs(count: int) -> list[tuple[str, str]]:
    """Return (instruction, text) pairs with different instructions; texts of one to a few hundred words, some with spaces around."""
    rng = random.Random(6)
    made = []
    for number in range(count):
        instruction = passage.instruction(rng.sample(LABELS, number % 4))
        text = " ".join(rng.choices(WORDS, k=rng.choice((1, 3, 8, 20, 60))))
        made.append((instruction, f" {text}  " if number % 7 == 0 else text))
    return made


# The vectors of these pairs by InstructorEmbedding 1.0.1 with the bundled checkpoint, one row per pair. After retraining
# the checkpoint, record them again with `encode`, as in the test below.
RECORDED = Path(__file__).with_name("instructor_vectors.npy")
RECORDED_PAIRS = [
    ("represent the  title:", "a red circle"),
    ("represent the sports title:", "a picture of two black squares , one circle ,  is in the photo . "),
    ("represent the travel and adventuremusic title:", "  outer spaces  "),
    ("represent the food and dining title:", "ünïcödé 写真 !"),
    ("represent the family title:", ""),
    ("represent the title:", "giraffe " * 2000),
    ("", "a text without an instruction"),
    ("", ""),
]


@pytest.mark.must_run
def test_vectors_equal_those_recorded_from_the_package(models: Models) -> None:
    """Existing indexes contain vectors of that package with the same model identity."""
    recorded = np.load(RECORDED)
    assert np.abs(models["embed"].embedder.embed(RECORDED_PAIRS) - recorded).max() < 1e-5
    assert np.abs(models["embed"].embedder.embed(RECORDED_PAIRS[::-1])[::-1] - recorded).max() < 1e-5


@pytest.mark.must_run
def test_fifty_pairs_in_one_batch_equal_those_of_encode(models: Models, tiny: Settings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # raised while the library is imported
        from sentence_transformers import SentenceTransformer

        native = SentenceTransformer(tiny.of("embed").weights, device="cpu", local_files_only=True)
    native.set_pooling_include_prompt(include_prompt=False)
    given = pairs(50)
    reference = np.stack(
        [
            native.encode(text.strip(), prompt=instruction, show_progress_bar=False)
            for instruction, text in given
        ]
    )
    assert np.abs(models["embed"].embedder.embed(given) - reference).max() < 1e-5


def test_the_instruction_is_attended_to_but_not_in_the_mean(models: Models) -> None:
    one, other, joined = models["embed"].embedder.embed(
        [
            ("represent the sports title:", "a red circle"),
            ("represent the music title:", "a red circle"),
            ("", "represent the sports title:a red circle"),
        ]
    )
    assert np.abs(one - other).max() > 1e-6  # attended to
    assert one @ other > one @ joined  # and not averaged


def test_a_text_longer_than_the_model_supports_is_truncated(models: Models) -> None:
    vectors = models["embed"].embedder.embed([("represent the title:", "giraffe " * 2000), ("", "x")])
    assert np.isfinite(vectors).all()
