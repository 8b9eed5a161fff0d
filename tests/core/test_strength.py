from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.search import confidence, fuse, parse, rank
from imgret.search.query_encoder import QueryEncoder
from imgret.store.interface import Store

NOW = datetime(2026, 3, 18)

CAPTIONS = """
a giraffe reaching up to the leaves of a tall tree
a zebra grazing on green grass in the sun
a street clock on a black pole in front of a tree
a white and orange passenger train on curving tracks
skateboarders jumping off a wall covered with graffiti
an airliner flying through a cloudy sky
a kitchen with a white stove and knives on the wall
a slice of chocolate cake with a fork on a white plate
two cheese pizzas on a table of an outdoor restaurant
a white lamb standing on grass beside a wooden house
a surfer with long hair riding a wave under a blue sky
a man and a woman drinking red wine from large glasses
a green traffic sign with a white arrow pointing up
three white dogs sleeping on a wooden kitchen floor
a man riding a black horse down a cobbled street
a modern bathroom with a glass wall and a green sink
a teal city bus passing an old stone church
a cook in a white uniform cutting carrots on a blue board
a male tennis player in white holding his racket
two snowboarders hugging in the falling snow
a kite high above a wide empty sandy beach
a yellow leather suitcase on a carpet
a green parrot eating a banana on a branch
a train crossing an arched bridge over a river
""".strip().splitlines()


@pytest.fixture
def library(add: Callable[..., int]) -> list[int]:
    return [add(f"{n}.jpg", caption=caption) for n, caption in enumerate(CAPTIONS)]


def answer(store: Store, encoder: QueryEncoder, text: str, **options: object) -> rank.SearchResult:
    return rank.search(store, parse.parse(text, NOW), encoder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a giraffe eating from a tree", 0),
        ("cheese pizza", 8),
        ("parrot with a banana", 22),
        ("snowboarders in the snow", 19),
    ],
)
def test_what_is_there_is_strong_and_the_rest_is_not(
    store: Store, encoder: QueryEncoder, library: list[int], text: str, right: int
) -> None:
    hits = answer(store, encoder, text).hits
    assert (hits[0].content, hits[0].strength) == (library[right], "strong")
    assert sum(hit.strength == "strong" for hit in hits) <= 3
    assert sum(hit.strength == "weak" for hit in hits) >= len(hits) // 2


@pytest.mark.parametrize("text", ["quarterly tax spreadsheet", "theory of relativity", "asdf qwerty zxcv"])
def test_hits_without_the_object_are_weak_and_it_is_reported(
    store: Store, encoder: QueryEncoder, library: list[int], text: str
) -> None:
    found = answer(store, encoder, text)
    assert all(hit.strength != "strong" for hit in found.hits)
    strict = answer(store, encoder, text, min_strength="strong")
    assert strict.hits == []
    assert "nothing matches well enough" in strict.notes[0]


def test_the_minimum_leaves_out_what_is_below(
    store: Store, encoder: QueryEncoder, library: list[int]
) -> None:
    every = answer(store, encoder, "a train on a bridge").hits
    for minimum, kept in (("strong", {"strong"}), ("fair", {"strong", "fair"})):
        hits = answer(store, encoder, "a train on a bridge", min_strength=minimum).hits
        assert [hit.content for hit in hits] == [hit.content for hit in every if hit.strength in kept]


def test_words_alone_are_as_strong_as_they_cover_the_query(
    store: Store, library: list[int], encoder: QueryEncoder
) -> None:
    hits = answer(store, encoder, "green parrot banana", rank="words").hits
    assert (hits[0].content, hits[0].strength) == (library[22], "strong")
    assert {hit.strength for hit in hits[1:]} == {"weak"}


def test_one_photo_alone_can_be_strong(store: Store, encoder: QueryEncoder, add: Callable[..., int]) -> None:
    add("a.jpg", caption="a red circle on a white ground")
    assert answer(store, encoder, "red circle").hits[0].strength == "strong"


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40),
    st.floats(-0.5, 0.5),
    st.floats(0.5, 4),
)
def test_a_baseline_follows_shifts_and_scales(cosines: list[float], shift: float, scale: float) -> None:
    values = np.array(cosines, np.float64)
    plain, moved = fuse.baseline(values), fuse.baseline(values * scale + shift)
    assert moved.middle == pytest.approx(plain.middle * scale + shift, abs=1e-5)
    if plain.spread > fuse.LEAST_SPREAD * 1.01 and moved.spread > fuse.LEAST_SPREAD * 1.01:
        assert moved.spread == pytest.approx(plain.spread * scale, rel=1e-3)


EVIDENCE = st.floats(0, 20, width=32)
SHARE = st.floats(0, 1, width=32)


def believed(text: float, image: float, share: float, *, seen: bool, apart: bool = False) -> float:
    rows = [np.array([value], np.float32) for value in (text, image if seen else 0, share)]
    flags = {"seen": np.array([seen]), "apart": np.array([apart])}
    return float(confidence.confidence(*rows, **flags)[0])


@given(EVIDENCE, EVIDENCE, SHARE, EVIDENCE, EVIDENCE, SHARE, st.booleans())
def test_more_evidence_is_never_believed_less(
    text: float, image: float, share: float, text2: float, image2: float, share2: float, seen: bool
) -> None:
    least = [min(pair) for pair in ((text, text2), (image, image2), (share, share2))]
    most = [max(pair) for pair in ((text, text2), (image, image2), (share, share2))]
    low, high = believed(*least, seen=seen), believed(*most, seen=seen)
    assert 0 <= low <= high + 1e-6 <= 1 + 1e-6
    apart = believed(*most, seen=seen, apart=True)
    assert apart <= high + 1e-6
    assert confidence.levels(np.float32([apart]))[0] <= 1  # never strong


def test_the_strengths_are_shares_of_confidence() -> None:
    found = confidence.levels(np.array([0, 0.39, 0.4, 0.79, 0.8, 1], np.float32))
    assert found.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("a man in a red shirt next to a parked car", True),
        ("a red shirt beside a car", True),
        ("a man in red", True),
        ("a red car", False),
        ("a red sports car", False),
        ("a red and white car", False),
        ("the car is red", False),
    ],
)
@pytest.mark.parametrize("column", ["caption", "note"])
def test_a_red_shirt_and_a_car_are_no_strong_red_car(
    store: Store,
    encoder: QueryEncoder,
    library: list[int],
    add: Callable[..., int],
    text: str,
    apart: bool,
    column: str,
) -> None:
    content = add("car.jpg", **{column: text})
    for ranking in ("hybrid", "words"):
        found = {hit.content: hit.strength for hit in answer(store, encoder, "red car", rank=ranking).hits}
        assert (found[content] != "strong") == apart


def test_a_colour_and_a_label_are_not_joined(
    store: Store, encoder: QueryEncoder, add: Callable[..., int]
) -> None:
    content = add("a.jpg", caption="a man in a red shirt", objects={"person": 1, "car": 1})
    hit = answer(store, encoder, "red car").hits[0]
    assert (hit.content, hit.strength) == (content, "fair")
    assert answer(store, encoder, "man car").hits[0].strength == "strong"


def test_words_count_where_most_photos_have_the_same_caption(
    store: Store, encoder: QueryEncoder, add: Callable[..., int]
) -> None:
    for number in range(30):
        add(f"{number}.jpg", objects={"person": 2})
    for number, caption in enumerate(("a portrait of rose petals", "a flower girl", "roses in a garden")):
        add(f"other{number}.jpg", caption=caption)
    named = add("Rosa.jpg", objects={"person": 2})
    noted = add("lake.jpg", objects={"person": 2}, note="Zofia")
    for text, right in (("rosa", named), ("zofia", noted)):
        hit = answer(store, encoder, text).hits[0]
        assert (hit.content, hit.strength) == (right, "strong")


def test_words_count_where_all_photos_have_the_same_caption(
    store: Store, encoder: QueryEncoder, add: Callable[..., int]
) -> None:
    for number in range(20):
        add(f"{number}.jpg", objects={"person": 1})
    named = add("Rosa.jpg", objects={"person": 1})
    hits = answer(store, encoder, "rosa").hits
    assert (hits[0].content, hits[0].strength) == (named, "strong")
    assert all(np.isfinite(hit.score) for hit in hits)
    assert {hit.strength for hit in hits[1:]} == {"weak"}


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40))
def test_the_spread_is_never_nothing_and_follows_what_differs(cosines: list[float]) -> None:
    values = np.array(cosines, np.float64)
    found = fuse.spread(values)
    assert found >= fuse.LEAST_SPREAD
    assert found >= values.std() / 2 - 1e-9
    assert found <= max(fuse.LEAST_SPREAD, 1.4826 * 2)
