"""A result without hits names the filter that no photo passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from imgret.search import parse, rank
from imgret.store.interface import Store

NOW = datetime(2026, 3, 18)
Add = Callable[..., int]


def notes(store: Store, text: str, **options: object) -> str:
    answer = rank.search(store, parse.parse(text, NOW), None, **options)  # type: ignore[arg-type]
    assert answer.hits == []
    return "; ".join(answer.notes)


def test_an_excluding_filter_is_named_as_it_was_written(store: Store, add: Add) -> None:
    add("a.jpg")
    assert "left out by the filter -rating<=2" in notes(store, "-rating<=2")
    assert "left out by the filter -rating>=0" in notes(store, "-rating>=0")


@pytest.fixture
def library(store: Store, add: Add) -> Store:
    add(
        "2019/a.jpg",
        objects={"dog": 2, "apple": 1},
        taken_at=1560000000,
        camera="Canon EOS 5D",
        topics=["sports"],
    )
    add("b.png", caption="a cat", format="PNG", note="Rosa")
    return store


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("after:2020", "the only known date is 2019-06-08"),
        ("in:Lisbon", "no indexed photo is in a folder Lisbon"),
        ("in:/nowhere/at/all", "no indexed photo is in a folder /nowhere/at/all"),
        ("name:holiday", "no file name holds 'holiday'"),
        ("name:*.gif", "no file name fits '*.gif'"),
        ("topic:food", "no photo has a topic 'food'; there is sports"),
        ("camera:nikon", "no photo was taken with a camera 'nikon'; there is Canon EOS 5D"),
        ("has:gps", "no photo has coordinates"),
        ("is:offline", "no photo is offline"),
        ("format:gif", "no photo has the format GIF; there is"),
        ('"red kite"', "'red kite' stands in no caption, label, note or name"),
        ("dog>=3", "no photo shows 'dog' that often; the most in one photo is 2"),
        ("zebra>=1", "no photo shows 'zebra'"),
        ("people>=1", "no photo shows 'people'"),
        ("dgo>=1", "no photo shows 'dgo'; there is dog"),
        ("-is:online", "every photo is left out by the filter -is:online"),
        ("dog: has:note", "each filter lets some photos through, but no photo passes all of them"),
        ("giraffe after:2020 dog:", "the only known date is"),
    ],
)
def test_the_filter_that_left_nothing_is_named(library: Store, text: str, part: str) -> None:
    shown = notes(library, text)
    assert part in shown
    assert "apple" not in shown
    assert shown.count("no photo shows") <= 1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("on:2019", "no photo has a known date"),
        ("has:date", "no photo has a known date"),
        ("camera:canon", "no photo names its camera"),
        ("topic:sports", "no photo has topics yet"),
        ("dog:", "no object was detected in any photo yet"),
        ("has:objects", "no photo has objects"),
    ],
)
def test_what_is_known_of_no_photo(store: Store, add: Add, text: str, part: str) -> None:
    add("a.jpg")
    assert part in notes(store, text)


@pytest.mark.parametrize(
    ("text", "stage"),
    [("topic:sports", "topics"), ("dog:", "detect"), ("has:caption", "caption")],
)
def test_a_stage_that_is_switched_off_is_named(store: Store, add: Add, text: str, stage: str) -> None:
    add("a.jpg")
    assert f'switched off (weights = "none" in [{stage}]' in notes(store, text, off=[stage])
    assert "switched off" not in notes(store, text)


def test_an_empty_index_and_a_result_with_hits(store: Store, add: Add) -> None:
    assert "no photo is indexed yet" in notes(store, "after:2020")
    add("a.jpg", taken_at=1560000000)
    assert rank.search(store, parse.parse("on:2019", NOW), None).notes == []
