"""How well candidates answer a text: its vector and its words against all their views, and how strongly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from imgret.search import fuse, score_baseline
from imgret.search.adjectives import ADJECTIVES
from imgret.search.score_baseline import Sample
from imgret.store import records

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
AT_ONCE = 4_096  # candidates whose vectors are in memory at a time
PUSHED_FROM = 1.5  # spreads above the middle from which on an answer to a text of `--not` is pushed away


class KnownWords(Protocol):
    """What a search reads of the words index: part of `store.words`."""

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[records.Term]:
        """See `imgret.store.interface.retrieval.Words`."""
        ...

    def document_count(self) -> int:
        """See `imgret.store.interface.retrieval.Words`."""
        ...

    def occurrences(
        self, asked: Sequence[records.Term], contents: Ids, pairs: Sequence[tuple[int, int]] = ()
    ) -> records.Occurrences:
        """See `imgret.store.interface.retrieval.Words`."""
        ...


class KnownVectors(Protocol):
    """What scoring reads of the vectors: part of `store.vectors`."""

    def of(self, space: records.Space, contents: Ids, views: Sequence[str]) -> dict[str, Scores]:
        """See `imgret.store.interface.retrieval.Vectors`."""
        ...


class ScoredStore(Protocol):
    """What scoring reads: an open store, or a copy of these parts in memory."""

    @property
    def words(self) -> KnownWords:
        """The words of each content."""
        ...

    @property
    def vectors(self) -> KnownVectors:
        """The vectors of each content."""
        ...


class Scored(NamedTuple):
    """What is known of each candidate, in their order."""

    score: Scores
    level: NDArray[np.int_]  # places in STRENGTHS
    cosine: Scores  # of the leading view; NaN where there is none
    held: NDArray[np.bool_]  # (candidates, terms): the term stands there
    above: Scores  # the score over the question's own background, in spreads; BM25 where there is no vector


class SpaceQuery(NamedTuple):
    """Where a search points in one space."""

    space: records.Space
    vector: Scores  # (dimension,), unit norm
    sample: Sample  # of the space


def scored(
    store: ScoredStore, ids: Ids, terms: Sequence[records.Term], queries: Sequence[SpaceQuery], rank: str
) -> Scored:
    """Score contents by words and by a vector in each of some spaces. `rank` is one of RANKS.

    Vectors of different spaces are never compared: the text vectors give a score, and each other space
    adds its weight times the standard score of its own cosines.
    """
    found = store.words.occurrences(terms, ids, _described(terms))
    total = store.words.document_count()
    rarity = fuse.rarity(np.array([*(term.documents for term in terms), 0], np.int64), total)
    matches = fuse.Matches(found.counts, found.lengths, rarity[:-1], float(rarity[-1]), found.weights)
    told, covered = fuse.bm25(matches), fuse.coverage(matches)
    held = np.asarray(matches.counts.any(axis=2), np.bool_)
    none = np.full(len(ids), np.nan, np.float32)
    if not queries:
        level = score_baseline.capped(score_baseline.worded(covered), found.apart)
        return Scored(told, level, none, held, told)
    text = next((query for query in queries if query.space.stage == records.TEXT), None)
    others = [query for query in queries if query is not text and (text is None or rank != "vector")]
    beside = sum((_standard(store, ids, query) for query in others), np.zeros(len(ids), np.float32))
    if text is None:
        score = beside
        if rank != "vector":
            score = score + np.float32(fuse.WEIGHTS.words) * fuse.worded(matches, fuse.WEIGHTS.words_power)
        above, cosine = beside, none
    else:
        views = (fuse.PASSAGE,) if rank == "vector" else fuse.VIEWS
        cosines = _cosines(store, ids, text, views)
        grounds, cosine = text.sample.grounds(text.vector), cosines[fuse.PASSAGE]
        if rank == "vector":
            score = np.nan_to_num(cosine, nan=-1.0)
        else:
            score = fuse.fused(cosines, grounds, matches, text.sample.spread)
            score = score + np.float32(text.sample.spread) * beside if others else score
        above = score_baseline.above(score, grounds[fuse.PASSAGE], text.sample.spread)
    level = score_baseline.levels(above)
    if rank != "vector":
        level = score_baseline.capped(np.maximum(level, score_baseline.worded(covered)), found.apart)
    return Scored(score, level, cosine, held, above)


def unit(queries: Sequence[SpaceQuery]) -> float | None:
    """What a standard score of 1 is in the scores of these queries; None: they are of words alone."""
    if not queries:
        return None
    return next((query.sample.spread for query in queries if query.space.stage == records.TEXT), 1.0)


def pushed(main: Scored, away: Scored, weight: float, spread: float | None) -> Scored:
    """Lower the scores in `main` of contents that match the text of `away`, by how well they match; they become weak."""
    if spread is None:  # words alone: all that holds all words of the text comes behind all that does not
        much = away.held.all(axis=1) if away.held.shape[1] else np.zeros(len(away.score), np.bool_)
        score = np.where(much, main.score - main.score.max(initial=0.0), main.score)
    else:
        over = np.maximum(away.above - PUSHED_FROM, 0.0)
        much = away.level > 0
        score = main.score - np.float32(weight * spread) * over
    level = np.where(much, 0, main.level)
    return main._replace(score=np.asarray(score, np.float32), level=level)


def _standard(store: ScoredStore, ids: Ids, query: SpaceQuery) -> Scores:
    """What a space adds to the score of each of these contents, in spreads."""
    lead = query.space.lead
    cosines = _cosines(store, ids, query, (lead,))[lead]
    ground = query.sample.grounds(query.vector)[lead]
    weight = np.float32(query.space.weight)
    return np.asarray(weight * fuse.standard(cosines, ground, query.sample.spread), np.float32)


def _cosines(store: ScoredStore, ids: Ids, query: SpaceQuery, views: tuple[str, ...]) -> dict[str, Scores]:
    """The cosine of each of these contents in each view; NaN where it lacks the view."""
    parts = [
        {
            view: rows @ query.vector
            for view, rows in store.vectors.of(query.space, ids[at : at + AT_ONCE], views).items()
        }
        for at in range(0, max(len(ids), 1), AT_ONCE)
    ]
    return {view: np.concatenate([part[view] for part in parts]) for view in views}


def _described(terms: Sequence[records.Term]) -> list[tuple[int, int]]:
    """(adjective, the next term that is none) for the adjectives among the terms of a question."""
    pairs: list[tuple[int, int]] = []
    noun = -1
    for at in range(len(terms) - 1, -1, -1):
        if terms[at].text.lower() not in ADJECTIVES:
            noun = at
        elif noun >= 0:
            pairs.append((at, noun))
    return pairs
