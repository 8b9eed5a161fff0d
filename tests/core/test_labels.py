from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imgret.store import labels


def _names(data: str) -> list[str]:
    package = find_spec("ultralytics")  # its data files are read without importing it
    assert package is not None
    assert package.origin is not None
    text = Path(package.origin).parent.joinpath("cfg/datasets", data).read_text()
    return [str(name).lower() for name in yaml.safe_load(text)["names"].values()]


COCO, OPEN_IMAGES = _names("coco.yaml"), _names("open-images-v7.yaml")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("people", ["person"]),
        ("Persons", ["person"]),
        ("giraffes", ["giraffe"]),
        ("traffic_lights", ["traffic light"]),
        ("wine glasses", ["wine glass"]),
        ("knives", ["knife"]),
        ("buses", ["bus"]),
        ("bike", ["bicycle"]),
        ("planes", ["airplane"]),
        ("sofas", ["couch"]),
        ("televisions", ["tv"]),
        ("ski", ["skis"]),
        ("vehicles", ["bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"]),
        ("animal", ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"]),
        ("quasar", []),
        ("", []),
    ],
)
def test_common_names_of_coco_labels(text: str, meant: list[str]) -> None:
    assert labels.matching_labels(text, COCO) == meant


def test_labels_of_other_detectors() -> None:
    assert labels.matching_labels("people", OPEN_IMAGES) == ["boy", "girl", "man", "person", "woman"]
    assert labels.matching_labels("glasses", OPEN_IMAGES) == ["glasses"]
    assert labels.matching_labels("bats", OPEN_IMAGES) == ["bat (animal)"]
    assert labels.matching_labels("krill", ["Krills", "krill oil"]) == ["Krills"]


@pytest.mark.parametrize("label", [*COCO, *OPEN_IMAGES])
def test_every_label_is_known_in_singular_and_plural(label: str) -> None:
    assert labels.is_label(label)
    assert label in labels.matching_labels(label, [label])
    word = label.partition(" (")[0]
    if not word.endswith(
        ("s", "y", "ch", "sh", "x", "fe", "lf", "man", "child", "oose", "ouse", "foot", "rts")
    ):
        assert label in labels.matching_labels(word + "s", [label])
    assert labels.matching_labels(label, COCO) == [] or labels.matching_labels(
        label.upper(), COCO
    ) == labels.matching_labels(label, COCO)


@pytest.mark.parametrize(
    ("text", "known", "suggested"),
    [
        ("people", ["apple", "dog"], []),
        ("man", COCO, ["person"]),
        ("dgos", COCO, ["dog"]),
        ("girafe", COCO, ["giraffe"]),
        ("elefant", COCO, ["elephant"]),
        ("traffic", COCO, ["traffic light"]),
        ("cat", ["car", "cap"], []),  # another label, spelled correctly
        ("goat", ["boat"], []),
        ("quasar", COCO, []),
    ],
)
def test_suggestions(text: str, known: list[str], suggested: list[str]) -> None:
    assert labels.suggestions(text, known) == suggested


@given(st.text(st.characters(), max_size=30), st.lists(st.text(max_size=10), max_size=5))
def test_any_text_can_be_looked_up(text: str, known: list[str]) -> None:
    assert labels.canonical(labels.canonical(text)) == labels.canonical(text)
    assert set(labels.matching_labels(text, known)) <= set(known)
    assert set(labels.suggestions(text, known)) <= set(known)
    assert text not in known or text in labels.matching_labels(text, known)


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_the_distance_of_two_words(one: str, other: str) -> None:
    assert labels.distance(one, other) == labels.distance(other, one)
    assert (labels.distance(one, other) == 0) == (one == other)
