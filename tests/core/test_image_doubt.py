"""Image vectors count beside texts by their information, and not by chance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_spaces import text_space

from imgret.photo import RANKS, ModelIdentity
from imgret.search import fuse, image_doubt, parse, rank, score_baseline
from imgret.search.query_encoder import QueryEncoder
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits

NOW = datetime(2026, 3, 18)
SEER = ModelIdentity("seer", "1")
THINGS = [
    "dog",
    "cat",
    "horse",
    "zebra",
    "giraffe",
    "bus",
    "train",
    "boat",
    "kite",
    "pizza",
    "clock",
    "parrot",
]
PLACES = [
    "on grass",
    "at the beach",
    "in the snow",
    "in a kitchen",
    "by a lake",
    "on a street",
    "near a wall",
]
SCORES = st.lists(st.floats(-6, 6, width=32) | st.just(np.nan), min_size=1, max_size=30)


class Seer:
    """An image-text encoder: the vectors of texts are turned into a space of images, with noise of a given length."""

    identity = SEER

    def __init__(self, encoder: QueryEncoder, noise: float) -> None:
        numbers = np.random.default_rng(4)
        self._encoder, self._noise = encoder, noise
        self._turn = np.linalg.qr(numbers.standard_normal((256, 256)))[0].astype(np.float32)

    def vectors(self, texts: list[str]) -> Any:
        return self._encoder.vectors(texts) @ self._turn

    def image(self, text: str, number: int) -> Any:
        numbers = np.random.default_rng(number)
        seen = self.vectors([text])[0] + self._noise * numbers.standard_normal(256).astype(np.float32) / 16
        return np.asarray(seen / np.linalg.norm(seen), np.float32)


@pytest.fixture
def library(store: Store, encoder: QueryEncoder, add: Callable[..., int]) -> Callable[..., list[int]]:
    """library(seer, photos, captioned) -> contents of photos of a thing in a place each."""

    def make(seer: Seer, count: int, *, captioned: bool = True) -> list[int]:
        made = []
        with store.writing():
            for number, text in enumerate(scenes(count)):
                caption = {"caption": f"a picture of {text}"} if captioned else {}
                made.append(add(f"{number}.jpg", **caption))
                vectors = {"image": seer.image(text, number)}
                store.vectors.save(made[-1], SEER, vectors, "image", SpaceTraits("image", 1.0))
        return made

    return make


def scenes(count: int) -> list[str]:
    return [f"a {THINGS[n % len(THINGS)]} {PLACES[n % len(PLACES)]}" for n in range(count)]


def found(store: Store, encoder: QueryEncoder, seer: Any, text: str, ranking: str = "hybrid") -> list[Any]:
    query = parse.parse(text, NOW)
    return rank.search(store, query, encoder, rank=ranking, all_copies=True, others={"image": seer}).hits


@pytest.mark.parametrize("count", [3, 10, 60])
def test_images_of_noise_do_not_replace_captions(
    store: Store, encoder: QueryEncoder, library: Callable[..., list[int]], count: int
) -> None:
    seer = Seer(encoder, 100.0)
    contents = library(seer, count)
    for number in range(0, min(count, 12), 2):
        text = f"{THINGS[number]} {PLACES[number % len(PLACES)].split()[-1]}"
        assert found(store, encoder, seer, text)[0].content == contents[number], text


def firsts(
    store: Store, encoder: QueryEncoder, seer: Seer, contents: list[int], texts: list[str], ranking: str
) -> int:
    """Return how many of these texts find their photo first."""
    return sum(
        found(store, encoder, seer, text, ranking)[0].content == content
        for content, text in zip(contents, texts, strict=True)
    )


def test_images_of_noise_cost_no_right_hits(
    store: Store, encoder: QueryEncoder, library: Callable[..., list[int]]
) -> None:
    seer = Seer(encoder, 100.0)
    contents = library(seer, 84)
    texts = [text.replace("a ", "the ").replace("in the snow", "in winter") for text in scenes(84)]
    by_text = firsts(store, encoder, seer, contents, texts, "vector")
    assert firsts(store, encoder, seer, contents, texts, "hybrid") >= by_text > 20


@pytest.mark.parametrize("captions", [["a picture"], ["a dog", "a cat"], scenes(84)])
def test_captions_count_as_distinct_as_they_differ(
    store: Store, add: Callable[..., int], captions: list[str]
) -> None:
    with store.writing():
        for number in range(84):
            add(f"{number}.jpg", caption=captions[number % len(captions)], note=f"number {number}")
    sample = score_baseline.sample(store, text_space(store))
    assert sample.distinctness == pytest.approx(np.log(len(captions)) / np.log(84), abs=0.02)


@pytest.mark.parametrize("count", [3, 10, 60])
def test_good_images_are_enough_where_no_text_describes_the_photos(
    store: Store, encoder: QueryEncoder, library: Callable[..., list[int]], count: int
) -> None:
    seer = Seer(encoder, 0.3)
    contents = library(seer, count, captioned=False)
    for number in range(0, min(count, 12), 2):
        text = scenes(count)[number]
        assert found(store, encoder, seer, text)[0].content == contents[number], text


@pytest.mark.parametrize("count", [3, 10, 100])
def test_a_man_in_a_red_shirt_is_no_strong_red_car(
    store: Store,
    encoder: QueryEncoder,
    library: Callable[..., list[int]],
    add: Callable[..., int],
    count: int,
) -> None:
    seer = Seer(encoder, 0.3)
    library(seer, count)
    shirt = "a man in a red shirt next to a parked car"
    content = add("shirt.jpg", caption=shirt)
    with store.writing():
        # The image encoder sees the man and his shirt, and the car far less.
        vectors = {"image": seer.image("a man in a red shirt", 1)}
        store.vectors.save(content, SEER, vectors, "image", SpaceTraits("image", 1.0))
    strengths = {hit.content: hit.strength for hit in found(store, encoder, seer, "red car")}
    assert strengths[content] != "strong"
    if count >= 10:  # a photo of it is found, among others that a comparison needs
        car = add("car.jpg", caption="a red car on a street")
        with store.writing():
            vectors = {"image": seer.image("a red car on a street", 2)}
            store.vectors.save(car, SEER, vectors, "image", SpaceTraits("image", 1.0))
        hits = found(store, encoder, seer, "red car")
        assert (hits[0].content, hits[0].strength) == (car, "strong")
        assert "strong" not in {hit.strength for hit in hits if hit.content == content}


@pytest.mark.parametrize("ranking", RANKS)
def test_query_vectors_of_nan_leave_the_words(
    store: Store, encoder: QueryEncoder, library: Callable[..., list[int]], ranking: str
) -> None:
    seer = Seer(encoder, 0.3)
    contents = library(seer, 10)

    class Broken:
        def __init__(self, identity: ModelIdentity) -> None:
            self.identity = identity

        def vectors(self, texts: list[str]) -> Any:
            return np.full((len(texts), 256), np.nan, np.float32)

    broken = Broken(encoder.identity)
    hits = rank.search(
        store, parse.parse("zebra", NOW), broken, rank=ranking, others={"image": Broken(SEER)}
    ).hits
    assert [hit.content for hit in hits] == [contents[THINGS.index("zebra")]]
    assert all(np.isfinite(hit.score) and 0 <= hit.confidence <= 1 for hit in hits)


@pytest.mark.parametrize("ranking", ["image", "hybrid"])
def test_a_photo_and_words_are_one_query_in_the_space_of_images(
    store: Store, encoder: QueryEncoder, library: Callable[..., list[int]], ranking: str
) -> None:
    seer = Seer(encoder, 0.1)
    contents = library(seer, 84, captioned=ranking == "hybrid")  # each thing in each place
    texts = scenes(84)
    dog = texts.index("a dog on grass")
    towards = seer.image(texts[dog], dog)
    options: dict[str, Any] = {"rank": ranking, "limit": 84, "all_copies": True, "others": {"image": seer}}
    picture = {"towards_others": {"image": towards}, "without": contents[dog]}
    both = rank.search(store, parse.parse("snow", NOW), encoder, **picture, **options).hits
    alone = rank.search(store, parse.parse("", NOW), encoder, **picture, **options).hits
    wanted = contents[texts.index("a dog in the snow")]
    places = [[hit.content for hit in hits].index(wanted) for hits in (both, alone)]
    assert places[0] < 3
    assert places[0] <= places[1]
    assert contents[dog] not in {hit.content for hit in both}


@given(SCORES, st.integers(0, 9), st.floats(0.5, 3), st.floats(-1, 1))
def test_agreement_is_a_correlation(values: list[float], seed: int, scale: float, shift: float) -> None:
    one = np.array(values, np.float32)
    other = np.random.default_rng(seed).standard_normal(len(one)).astype(np.float32)
    there = ~np.isnan(one)
    agreeing = float(image_doubt.agreement(one, other)[0])
    assert np.isnan(agreeing) == (there.sum() < image_doubt.LEAST_COMMON)
    if np.isnan(agreeing):
        return
    assert -1.001 <= agreeing <= 1.001
    assert float(image_doubt.agreement(other, one)[0]) == pytest.approx(agreeing, abs=1e-5)
    low = np.minimum(one, 1)  # nothing is cut off there
    if np.nanstd(low) > 0.01:
        moved = low * np.float32(scale) / 3 + np.float32(shift)
        assert float(image_doubt.agreement(low, moved)[0]) == pytest.approx(1, abs=1e-3)
    cut = np.minimum(one, fuse.OUTLIER)[there].astype(np.float64), np.minimum(other, fuse.OUTLIER)[there]
    if min(map(np.std, cut)) > 0.01:
        assert agreeing == pytest.approx(np.corrcoef(*cut)[0, 1], abs=1e-3)


@given(SCORES, SCORES, st.integers(1, 1_000_000), st.floats(-1, 1, width=32) | st.just(np.nan))
def test_doubt_is_none_for_what_agrees_or_stands_out(
    scores: list[float], sample: list[float], size: int, agreeing: float
) -> None:
    rows, library = np.array(scores, np.float32), np.array(sample, np.float32)
    doubted = image_doubt.doubt(rows, library, size, np.float32([agreeing]))
    assert doubted.shape == (1,)
    assert 0 <= doubted[0] < 20
    if np.isnan(agreeing) or agreeing >= fuse.WEIGHTS.agreeing:
        assert doubted[0] == 0
    more = image_doubt.doubt(rows, library, size, np.float32([np.nan_to_num(agreeing) - 0.2]))
    assert more[0] >= doubted[0] - 1e-6
    outstanding = np.append(rows, np.float32(7))
    assert image_doubt.doubt(outstanding, library, size, np.float32([agreeing]))[0] == 0
    plain = fuse.evidence(rows, library, size, fuse.WEIGHTS.image)
    assert (fuse.evidence(rows, library, size, fuse.WEIGHTS.image, doubt=doubted) <= plain + 1e-6).all()


@given(st.integers(0, 99), st.integers(30, 80), st.integers(64, 512))
def test_noise_has_no_structure_and_few_directions_have_much(seed: int, count: int, dimension: int) -> None:
    numbers = np.random.default_rng(seed)
    noise = numbers.standard_normal((count, dimension)).astype(np.float32)
    assert image_doubt.structure(noise) < 0.3
    few = noise[:, :4] @ numbers.standard_normal((4, dimension)).astype(np.float32)
    assert image_doubt.structure(few) > 0.6
    lacking = np.vstack([few, np.full((9, dimension), np.nan, np.float32)])
    assert image_doubt.structure(lacking) == pytest.approx(image_doubt.structure(few))
    for rows in (noise[:7], np.ones_like(noise), noise[:0]):  # too few, all the same, none
        assert image_doubt.structure(rows) == 1


@given(st.lists(st.integers(0, 9), min_size=image_doubt.LEAST, max_size=60))
def test_captions_of_few_kinds_are_less_distinct(kinds: list[int]) -> None:
    rows = np.eye(70, dtype=np.float32)
    found = image_doubt.distinctness(rows[kinds])
    assert -1e-6 <= found <= 1
    assert found <= np.log(len(set(kinds))) / np.log(len(kinds)) + 1e-6
    assert image_doubt.distinctness(rows[: len(kinds)]) == pytest.approx(1)
    assert image_doubt.distinctness(rows[[0] * len(kinds)]) == pytest.approx(0)


@given(SCORES, st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1, width=32))
def test_noise_is_doubted_more_and_doubt_needs_captions_that_differ(
    scores: list[float], structure: float, distinctness: float, agreeing: float
) -> None:
    rows, weights = np.array(scores, np.float32), fuse.WEIGHTS

    def found(structure: float, distinctness: float) -> float:
        least = {"structure": structure, "distinctness": distinctness}
        return float(image_doubt.doubt(rows, rows, 100, np.float32([agreeing]), **least)[0])

    assert found(0, distinctness) == pytest.approx(weights.shapeless + found(1, distinctness), abs=1e-4)
    assert found(1, distinctness) <= found(structure, distinctness) <= found(0, distinctness) + 1e-6
    assert found(weights.structured, distinctness) == pytest.approx(found(1, distinctness), abs=1e-4)
    assert found(structure, distinctness) <= found(structure, 1) + 1e-6
    assert found(1, weights.distinct[0]) == 0


@given(st.lists(st.floats(-4, fuse.LARGEST, width=32), min_size=1, max_size=60))
def test_the_evidence_of_a_text_is_bounded_by_the_size_of_the_library(scores: list[float]) -> None:
    rows = np.array(scores, np.float32)
    curve = fuse.WEIGHTS.text
    found = fuse.evidence(rows, rows, len(rows), curve)
    assert (found <= np.log1p(len(rows) * np.exp(-curve.floor)) + 1e-4).all()
