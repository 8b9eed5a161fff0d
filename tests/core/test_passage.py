"""The recipe, held to strings that the research prototype recorded with the real models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.photo import Detection
from imgret.stages.passage import counted, counts, first, instruction, numeral, passage, together, views

BOX = (0.0, 0.0, 1.0, 1.0)

# Recorded: caption, counts in the order of their boxes, and the passage they made.
GIRAFFES = (
    "a picture of two giraffes stand tall amidst a lush green landscape, with a blue sky overhead and trees"
    " in the background one giraffe has a long neck and the other has",
    {"giraffe": 2, "tree": 1},
    "a picture of two giraffes stand tall amidst a lush green landscape, with a blue sky overhead and trees"
    " in the background one giraffe has a long neck and the other has two giraffe , one tree ,  is in the photo . ",
)
FOOD = (
    "a picture of a colorful assortment of food items, including green broccoli, are arranged in plastic"
    " containers alongside a pink container",
    {"food": 5},
    "a picture of a colorful assortment of food items, including green broccoli, are arranged in plastic"
    " containers alongside a pink container many food ,  is in the photo . ",
)

captions = st.text(max_size=60)
labels = st.text(st.characters(categories=["Ll"]), min_size=1, max_size=8)
objects = st.dictionaries(labels, st.integers(1, 40), max_size=5)


@pytest.mark.parametrize(("caption", "found", "expected"), [GIRAFFES, FOOD])
def test_passage_is_the_recorded_one_byte_for_byte(
    caption: str, found: dict[str, int], expected: str
) -> None:
    assert passage(caption, found) == expected


def test_instruction_is_the_recorded_one() -> None:
    assert instruction(["diaries_&_daily_life"]) == "represent the diaries and daily life title:"


def test_topics_are_joined_without_a_separator() -> None:
    assert instruction(["arts_&_culture", "sports"]) == "represent the arts and culturesports title:"


def test_no_topics_leave_a_gap() -> None:
    assert instruction([]) == "represent the  title:"


@pytest.mark.parametrize(("count", "word"), [(1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "many")])
def test_numerals(count: int, word: str) -> None:
    assert numeral(count) == word


def test_counts_are_lower_case_and_in_the_order_of_the_boxes() -> None:
    found = [Detection(label, 0.9, BOX) for label in ("Tree", "Giraffe", "tree", "Giraffe", "giraffe")]
    assert list(counts(found).items()) == [("tree", 2), ("giraffe", 3)]


@given(captions, objects)
def test_without_a_note_the_passage_is_the_recipe(caption: str, found: dict[str, int]) -> None:
    expected = "".join(f"{numeral(count)} {label} , " for label, count in found.items())
    assert passage(caption, found) == f"{caption} {expected} is in the photo . "
    assert counted(found) == expected


@given(captions, objects, st.text(min_size=1, max_size=40))
def test_the_note_comes_last_and_changes_nothing_before_it(
    caption: str, found: dict[str, int], note: str
) -> None:
    assert passage(caption, found, note) == passage(caption, found) + note


@given(
    st.none() | st.lists(st.text(min_size=1, max_size=60), max_size=3).map(tuple),
    st.none() | st.lists(labels, max_size=4),
    st.none() | st.text(min_size=1, max_size=20),
    st.text(max_size=20),
)
def test_empty_views_are_left_out(
    several: tuple[str, ...] | None, found: list[str] | None, note: str | None, names: str
) -> None:
    detections = None if found is None else tuple(Detection(label, 0.5, BOX) for label in found)
    texts = views({"caption": several, "detect": detections}, note, names)
    caption = first(several)
    assert all(text.strip() or text in (caption, note) for text in texts.values())
    assert ("captions" in texts) == bool(several)
    assert texts.get("captions", "").startswith(caption)
    assert ("counts" in texts) == bool(found)
    assert ("note" in texts) == bool(note)
    known = caption or found or note
    if known:
        assert texts["passage"] == passage(caption or "", counts(detections or ()), note)
    else:
        assert texts.get("passage", "") == (names if names.strip() else "")


@given(captions)
def test_one_caption_is_embedded_as_it_is(caption: str) -> None:
    assert together((caption,)) == caption


def test_captions_are_sentences_of_one_text_and_the_prompt_is_in_it_once() -> None:
    several = ("a picture of a dog", "A dog runs.", "a picture of two dogs", "a lawn")
    assert together(several) == "a picture of a dog. A dog runs. two dogs. a lawn"


def test_the_published_record_agrees(seed: Path) -> None:
    record = json.loads((seed / "published" / "recorded.json").read_text())
    numbers = {"one": 1, "two": 2, "three": 3, "four": 4, "many": 5}
    assert record["passages"]
    for name, expected in record["passages"].items():
        found = {label: numbers[word] for label, word in record["detections"][name]}
        assert passage(record["captions"][name], found) == expected
