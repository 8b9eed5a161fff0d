"""Score candidates for a query: its vectors and words against all their views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from imgret.search import confidence, fuse, image_doubt, score_baseline
from imgret.search.adjectives import ADJECTIVES
from imgret.search.score_baseline import Sample
from imgret.store import records
from imgret.store.records import IMAGE, TEXT

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]
IMAGE_MATCHES_FROM = 2.75  # evidence of the image from which on it is a reason for a hit: right 3 times in 10
AT_ONCE = 4_096  # candidates whose vectors are in memory at a time


class KnownWords(Protocol):
    """What a search reads of the words index: part of `store.words`."""

    def terms(self, texts: Iterable[str], *, wider: bool = True) -> list[records.Term]:
        """See `imgret.store.interface.retrieval.Words`."""
        ...

    def document_count(self) -> int:
        """See `imgret.store.interface.retrieval.Words`."""
        ...

    def occurrences(
        self, terms: Sequence[records.Term], contents: Ids, pairs: Sequence[tuple[int, int]] = ()
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
    confidence: Scores
    cosine: Scores  # of the leading view of the space that leads; NaN where there is none
    held: Flags  # (candidates, terms): the term occurs in it
    image_matches: Flags  # the image itself matches


class SpaceQuery(NamedTuple):
    """Where a search points in one space."""

    space: records.Space
    vector: Scores  # (dimension,), unit norm
    sample: Sample  # of the space


class SpaceScores(NamedTuple):
    """The scores of one space: those of the candidates, in their order, and of its sample."""

    standard: Scores  # standard scores; NaN where there is no vector
    described: Flags  # by more than a file name
    cosine: Scores  # of the leading view, not corrected; NaN where there is none
    sampled: Scores  # standard scores of the sample
    compared: Scores  # the same, NaN where only a file name describes the photo
    sample: Sample

    def evidence(
        self, curve: fuse.Curve, *, words: Scores | float = 0.0, doubt: Scores | float = 0.0
    ) -> Scores:
        """Return the evidence of the candidates (see `fuse.evidence`)."""
        return fuse.evidence(self.standard, self.sampled, self.sample.size, curve, words=words, doubt=doubt)


def scored(
    store: ScoredStore, ids: Ids, terms: Sequence[records.Term], queries: Sequence[SpaceQuery], rank: str
) -> Scored:
    """Score contents by words and by a vector in each of some spaces. `rank` is one of RANKS.

    Vectors of different spaces are never compared: each space gives evidence, and that is added (`imgret.search.fuse`).
    """
    found = store.words.occurrences(terms, ids, _described(terms))
    total = store.words.document_count()
    rarity = fuse.rarity(np.array([*(term.documents for term in terms), 0], np.int64), total)
    matches = fuse.Matches(found.counts, found.lengths, rarity[:-1], float(rarity[-1]), found.weights)
    by_words, covered = fuse.bm25(matches), fuse.coverage(matches)
    held = np.asarray(matches.counts.any(axis=2), np.bool_)
    nothing, nowhere = np.zeros(len(ids), np.float32), np.zeros(len(ids), np.bool_)
    space_scores = {query.space.stage: _space_scores(store, ids, query, rank) for query in queries}
    text, image = space_scores.get(TEXT), space_scores.get(IMAGE)
    lead = text or image
    seen = ~np.isnan(image.standard) if image else nowhere
    doubted = doubt(text, image)
    if rank in ("vector", "image") and lead:
        score = np.nan_to_num(lead.cosine, nan=-1.0)
    elif not queries:
        score = by_words
    else:
        score = hybrid(queries, space_scores, fuse.worded(by_words, covered, matches.rarest), doubted)
    by_image = image.evidence(confidence.IMAGE, doubt=doubted) if image else nothing
    likely = confidence.confidence(
        text.evidence(confidence.TEXT) if text else nothing,
        by_image,
        nothing if rank in ("vector", "image") and lead else covered,
        seen=seen,
        apart=found.apart,
    )
    cosine = lead.cosine if lead else np.full(len(ids), np.nan, np.float32)
    return Scored(score, likely, cosine, held, np.asarray(by_image >= IMAGE_MATCHES_FROM))


def doubt(text: SpaceScores | None, image: SpaceScores | None) -> Scores | float:
    """Return what is added to the floor of the images, by their structure and their agreement with the texts."""
    if text is None or image is None:
        return 0.0
    _, of_text, of_image = np.intersect1d(
        text.sample.contents, image.sample.contents, assume_unique=True, return_indices=True
    )
    return image_doubt.doubt(
        image.standard,
        image.sampled,
        image.sample.size,
        image_doubt.agreement(text.compared[of_text], image.compared[of_image]),
        structure=image.sample.structure,
        distinctness=text.sample.distinctness,
    )


def hybrid(
    queries: Sequence[SpaceQuery],
    space_scores: Mapping[str, SpaceScores],
    words: Scores,
    doubted: Scores | float,
) -> Scores:
    """Join the evidence of the spaces and the words; `doubted` is the `doubt` about the images."""
    text, image = space_scores.get(TEXT), space_scores.get(IMAGE)
    if text:
        score = text.evidence(fuse.WEIGHTS.text, words=words)
    else:
        missing = np.full(len(words), np.nan, np.float32)
        score = fuse.evidence(missing, missing[:0], 1, fuse.WEIGHTS.text, words=words)
    if image:
        described = text.described if text else np.zeros(len(words), np.bool_)
        by_image = image.evidence(fuse.WEIGHTS.image, doubt=doubted)
        score = fuse.joined(score, by_image, described=described, seen=~np.isnan(image.standard))
    for query in queries:
        if query.space.stage not in (TEXT, IMAGE):
            by_other = space_scores[query.space.stage].evidence(fuse.WEIGHTS.image)
            score = score + np.float32(query.space.weight) * by_other
    return np.asarray(score, np.float32)


def pushed(main: Scored, away: Scored, weight: float, *, words_only: bool) -> Scored:
    """Lower the scores in `main` of contents that match the text of `away`, by how well they match; they become weak."""
    if words_only:  # all that holds all words of the text comes behind all that does not
        much = away.held.all(axis=1) if away.held.shape[1] else np.zeros(len(away.score), np.bool_)
        score = np.where(much, main.score - main.score.max(initial=0.0) - 1, main.score)
    else:
        much = away.confidence >= confidence.FAIR
        score = main.score - np.float32(weight) * away.score
    likely = np.where(much, 0, main.confidence * (1 - away.confidence))
    return main._replace(score=np.asarray(score, np.float32), confidence=np.asarray(likely, np.float32))


def _space_scores(store: ScoredStore, ids: Ids, query: SpaceQuery, rank: str) -> SpaceScores:
    """Compare a query with all views of some contents in its space, in relation to the sample."""
    sample, lead = query.sample, query.space.lead
    is_text, recipe = query.space.stage == TEXT, rank == "vector"
    views = (lead,) if recipe else sample.view_names
    raw, corrected = _cosines(store, ids, query, views)
    ours = raw if recipe else corrected
    sampled = {
        view: rows
        for view, rows in sample.cosines(query.vector, corrected=not recipe).items()
        if view in views
    }
    grounds = score_baseline.grounds(sampled, lead)
    if is_text and not recipe:
        ours_one, sampled_one = fuse.text_cosines(ours, grounds), fuse.text_cosines(sampled, grounds)
        ground = fuse.baseline(sampled_one)
        standard = fuse.standard(ours_one, ground, sample.least)
        sample_standard = fuse.standard(sampled_one, ground, sample.least)
    else:  # the view that matches best
        standard, sample_standard = (
            np.fmax.reduce([fuse.standard(one[view], grounds[view], sample.least) for view in views])
            for one in (ours, sampled)
        )
    described, compared = (described_by(one, lead, is_text=is_text) for one in (raw, sampled))
    return SpaceScores(
        standard=standard,
        described=described,
        cosine=raw[lead],
        sampled=sample_standard,
        compared=np.asarray(np.where(compared, sample_standard, np.nan), np.float32),
        sample=sample,
    )


def described_by(cosines: Mapping[str, Scores], lead: str, *, is_text: bool) -> Flags:
    """Whether each photo has more than a passage, which alone may be words of the file's name. Other spaces: any vector."""
    others = [rows for view, rows in cosines.items() if view != lead]
    if is_text and others:
        return np.asarray(~np.isnan(others).all(axis=0), np.bool_)
    return ~np.isnan(cosines[lead])


def _cosines(
    store: ScoredStore, ids: Ids, query: SpaceQuery, views: tuple[str, ...]
) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """Return the cosine of each content in each view, NaN where it lacks the view; and the same without hubness."""
    plain: dict[str, list[Scores]] = {view: [] for view in views}
    corrected: dict[str, list[Scores]] = {view: [] for view in views}
    for at in range(0, max(len(ids), 1), AT_ONCE):
        for view, rows in store.vectors.of(query.space, ids[at : at + AT_ONCE], views).items():
            cosines = rows @ query.vector
            plain[view].append(cosines)
            corrected[view].append(np.asarray(cosines - query.sample.hubness(view, rows), np.float32))
    return (
        {view: np.concatenate(parts) for view, parts in plain.items()},
        {view: np.concatenate(parts) for view, parts in corrected.items()},
    )


def _described(terms: Sequence[records.Term]) -> list[tuple[int, int]]:
    """(adjective, the next term that is none) for the adjectives among the terms of a query."""
    pairs: list[tuple[int, int]] = []
    noun = -1
    for at in range(len(terms) - 1, -1, -1):
        if terms[at].text.lower() not in ADJECTIVES:
            noun = at
        elif noun >= 0:
            pairs.append((at, noun))
    return pairs
