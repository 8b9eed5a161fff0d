"""Late fusion: what each view and the words say of the candidates, in one sum. Pure numpy.

The vectors lead. Each view's cosines are taken relative to this question's own background in the
library, because embedders differ in where their cosines lie (0.83 +- 0.03 for one, 0.05 +- 0.07 for
another), and the words are weighed in units of the library's spread, so that one set of weights fits both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Counts = NDArray[np.int32]


PASSAGE, CAPTIONS, COUNTS, NOTE = VIEWS = ("passage", "captions", "counts", "note")  # of the text vectors


class Weights(Struct, frozen=True):
    """How much each source counts; found by `python -m benchmarks.quality`, explained in ARCHITECTURE.md."""

    passage: float = 0.4  # of the text's cosine; the rest is the caption's own, which counts do not blur
    note: float = 0.4  # a note beside a caption is added, so that it does not drown in it
    note_from: float = 1.5  # ... the part that exceeds the middle by so many spreads: below, it is noise
    counts: float = 0.05  # a little, beside a caption: labels repeat much of it, and a passage has them in it
    words: float = 20.0  # spreads for a word that only one photo has, when it is the whole question
    words_power: float = 5.0  # ... and how fast that falls when other words of the question are missing


WEIGHTS = Weights()
LEAST_SPREAD = 0.01  # of cosines: where all photos are alike, words must still count


class Background(Struct, frozen=True):
    """How this question's cosines lie over the library, in one view."""

    middle: float
    spread: float


class Matches(Struct, frozen=True):
    """Which words of the question stand in the candidates."""

    counts: Counts  # (candidates, terms, columns): how often
    lengths: Counts  # (candidates, columns), in tokens
    rarity: Scores  # (terms,): inverse document frequency
    rarest: float  # that of a word in no document
    columns: Scores  # (columns,): how much a word in each counts


def background(cosines: Scores) -> Background:
    """Median and robust spread, so that the photos which match do not count as background."""
    if not len(cosines):
        return Background(0.0, LEAST_SPREAD)
    return Background(float(np.median(cosines)), spread(cosines))


def spread(cosines: Scores) -> float:
    """The deviation of cosines along the last axis, robust against the few that match; the mean of the rows.

    It is the median absolute deviation. That is nearly zero where most photos have similar texts, so half the
    standard deviation, which it exceeds in all other libraries, is the least.
    """
    off = np.abs(cosines - np.median(cosines, axis=-1, keepdims=True))
    robust = 1.4826 * np.median(off, axis=-1)
    return max(float(np.maximum(robust, np.std(cosines, axis=-1) / 2).mean()), LEAST_SPREAD)


def rarity(documents: NDArray[np.int64], total: int) -> Scores:
    """Inverse document frequency as BM25 has it, for terms that this many of `total` documents hold."""
    documents = np.minimum(documents, total)
    return np.log1p((total - documents + 0.5) / (documents + 0.5)).astype(np.float32)


def fused(
    cosines: Mapping[str, Scores],
    grounds: Mapping[str, Background],
    matches: Matches,
    spread: float,
    weights: Weights = WEIGHTS,
) -> Scores:
    """The score of each candidate, on the scale of the leading view's cosine.

    `cosines[view]` is NaN where a candidate lacks the view; `spread` is that of the library's own cosines. A
    candidate without any vector is scored as the middle of the library and by its words.
    """
    above = {view: cosines[view] - np.float32(grounds[view].middle) for view in VIEWS}
    passage = np.nan_to_num(above[PASSAGE], nan=0.0)
    caption, note = above[CAPTIONS], above[NOTE]
    captioned = ~np.isnan(caption)
    own = np.where(captioned, caption, passage)
    telling = np.nan_to_num(note, nan=0.0) - np.float32(weights.note_from * grounds[NOTE].spread)
    beside = np.where(captioned & ~np.isnan(note), np.maximum(telling, 0.0), 0.0)
    counted = np.where(captioned, np.nan_to_num(above[COUNTS], nan=0.0), 0.0)
    score = (
        grounds[PASSAGE].middle
        + weights.passage * passage
        + (1 - weights.passage) * own
        + weights.note * beside
        + weights.counts * counted
        + weights.words * spread * worded(matches, weights.words_power)
    )
    return np.asarray(score, np.float32)


def standard(cosines: Scores, ground: Background, spread: float) -> Scores:
    """Cosines in spreads above the query's background; 0, the middle, where there is no vector.

    `spread` is that of the library's own cosines, the least that counts as one.
    """
    above = (cosines - np.float32(ground.middle)) / np.float32(max(ground.spread, spread))
    return np.asarray(np.nan_to_num(above, nan=0.0), np.float32)


def bm25(matches: Matches) -> Scores:
    """BM25 (k1 1.2, b 0.75) of each candidate, all columns read as one text in which words count by their column."""
    held = np.asarray(matches.counts @ matches.columns, np.float32)
    length = matches.lengths.sum(axis=1, keepdims=True).astype(np.float32)
    mean = float(length.sum()) / max(len(length), 1)
    norm = 1.2 * (0.25 + 0.75 * length / max(mean, 1.0))
    return np.asarray((matches.rarity * held * 2.2 / (held + norm)).sum(axis=1), np.float32)


def coverage(matches: Matches) -> Scores:
    """How much of the question stands in each candidate, 0..1, its rare words weighing more."""
    held = matches.counts.any(axis=2)
    asked = float(matches.rarity.sum())
    return np.asarray((held * matches.rarity).sum(axis=1) / max(asked, 1e-6), np.float32)


def worded(matches: Matches, power: float) -> Scores:
    """BM25 in units of a word that no photo has, by how much of the question it speaks for, to this power.

    Words that all of the question shares with a note or a name say what no vector can see; one shared
    word among several is chance more often than not, and BM25 alone would take it for much.
    """
    return np.asarray(bm25(matches) / max(matches.rarest, 1e-6) * coverage(matches) ** power, np.float32)
