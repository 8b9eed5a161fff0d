"""Ranking a whole library at once gives the contents and scores of the ordinary search."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from imgret.photo import RANKS, ModelIdentity
from imgret.search import parse, rank, scoring
from imgret.search.parse import ParsedQuery
from imgret.search.query_encoder import QueryEncoder
from imgret.search.rank_all import LibraryRanker
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits

Add = Callable[..., int]
NOW = datetime(2026, 3, 18)
THINGS = ["dog", "giraffe", "red car", "man in a red shirt", "two people", "beach", "café", "traffic light"]
GROUNDS = ["on grass", "at the sea", "in the snow, far away", "next to a box"]
SEER = ModelIdentity("seer", "1")
QUERIES = [
    "dog",
    "a dog on grass",
    "the red car next to a box",
    "man in a red shirt at the sea",
    "people",
    "it is in the",
    "nothing of this kind",
    "café",
    "photo_0003",
    '"red car" beach',
    "2:dog snow",
    "-dog grass",
    "person:",
    "beach dog>=1",
    "has:note sea",
    "海滩",
]


class LetterEncoder:
    """The encoder of other spaces: three numbers by the letters of a text."""

    identity = SEER

    def vectors(self, texts: list[str]) -> Any:
        return np.stack([unit(text) for text in texts])


def unit(text: str) -> Any:
    counts = np.array([text.count(letter) for letter in "aeo"], np.float32) + np.float32(0.1)
    return counts / np.linalg.norm(counts)


@pytest.fixture
def library(store: Store, add: Add) -> list[int]:
    """A library with equal captions, photos that lack one view or all, notes, copies and a deleted photo."""
    chance = random.Random(4)
    contents = []
    for number in range(60):
        caption = f"a picture of a {chance.choice(THINGS)} {chance.choice(GROUNDS)}"
        known: dict[str, Any] = {}
        if number % 5:
            known["caption"] = caption
        if number % 3:
            known["objects"] = {
                chance.choice(["dog", "car", "person", "traffic light"]): chance.randint(1, 3)
            }
        if number % 7 == 0:
            known["note"] = f"Rosa's {chance.choice(THINGS)}, 海滩"
        contents.append(add(f"trip/photo_{number:04}.jpg", embed=number % 11 != 0, **known))
        if number % 4:
            space = SpaceTraits("seen", 0.5)
            store.vectors.save(contents[-1], SEER, {"seen": unit(caption)}, "seer", space)
        if number % 6:
            turned = unit(caption)[::-1].copy()
            store.vectors.save(contents[-1], SEER, {"image": turned}, "image", SpaceTraits("image", 1.0))
    add("copy/photo_0003.jpg", of="trip/photo_0003.jpg")
    store.photos.mark_deleted(store.roots.all()[0].id, b"trip", [b"photo_0008.jpg"], 2)
    return contents


OTHERS = {"seer": LetterEncoder(), "image": LetterEncoder()}


def searched(store: Store, query: ParsedQuery, encoder: QueryEncoder, ranking: str) -> dict[int, float]:
    found = rank.search(store, query, encoder, rank=ranking, limit=1000, all_copies=True, others=OTHERS)
    return {hit.content: hit.score for hit in found.hits}


@pytest.mark.parametrize("at_once", [scoring.AT_ONCE, 17])
@pytest.mark.parametrize("ranking", RANKS)
def test_the_scores_are_those_of_the_ordinary_search(
    store: Store,
    library: list[int],
    encoder: QueryEncoder,
    monkeypatch: pytest.MonkeyPatch,
    ranking: str,
    at_once: int,
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", at_once)  # a large library is scored in parts
    whole = LibraryRanker(store, encoder, OTHERS)
    for text in QUERIES:
        query = parse.parse(text, NOW, store.facets.labels(), store.facets.kinds())
        for negatives in ((), ("red shirt", "dog")):
            negated = ParsedQuery(query.words, query.terms, query.weights, negatives, query.clauses)
            if not negated.words:  # it ranks texts; negatives alone list all photos
                continue
            found = whole.ranked(negated, ranking)
            expected = searched(store, negated, encoder, ranking)
            assert found.contents.tolist() == sorted(expected), text
            assert found.scores.tolist() == pytest.approx(
                [expected[c] for c in sorted(expected)], rel=2e-6, abs=2e-6
            )
