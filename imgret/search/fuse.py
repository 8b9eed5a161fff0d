"""Late fusion: what each view and the words say of the candidates, in one sum. Pure numpy.

The vectors lead. Each view's cosines are taken relative to this question's own background in the
library, because embedders differ in where their cosines lie (0.83 +- 0.03 for one, 0.2 +- 0.1 for
another), and the words are weighed in units of its spread.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.photo import View

Scores = NDArray[np.float32]
Counts = NDArray[np.int32]


class Weights(Struct, frozen=True):
    """How much each source counts beside the cosine of the leading text."""

    counts: float = 0.1  # of a cosine: a little, since labels repeat much of the caption
    words: float = 0.06  # of a spread, for each unit of BM25
    rare: float = 1.0


WEIGHTS = Weights()


class Background(Struct, frozen=True):
    """How this question's cosines lie over the library, in one view."""

    middle: float
    spread: float


def background(cosines: Scores) -> Background:
    """Median and robust spread, so that the photos which match do not count as background."""
    if not len(cosines):
        return Background(0.0, 0.0)
    middle = float(np.median(cosines))
    return Background(middle, 1.4826 * float(np.median(np.abs(cosines - middle))))


def fused(
    cosines: Mapping[View, Scores],
    grounds: Mapping[View, Background],
    words: Scores,
    weights: Weights = WEIGHTS,
) -> Scores:
    """The score of each candidate, on the scale of the leading view's cosine.

    `cosines[view]` is NaN where a candidate lacks the view; `words` is BM25, 0 where nothing matched.
    """

    def above(view: View) -> Scores:
        return cosines[view] - np.float32(grounds[view].middle)

    text = np.fmax(above(View.CAPTION), above(View.NOTE))
    text = np.where(np.isnan(text), above(View.PASSAGE), text)
    counts = np.nan_to_num(above(View.COUNTS), nan=0.0)
    lead = grounds[View.PASSAGE]
    score = np.nan_to_num(text, nan=0.0) + weights.counts * counts + weights.words * lead.spread * words
    return np.asarray(lead.middle + score, np.float32)


def bm25(counts: Counts, lengths: Counts, documents: NDArray[np.int64], total: int) -> Scores:
    """BM25 (k1 1.2, b 0.75) of documents (documents, terms, columns), all columns read as one text.

    `lengths` is (documents, columns) in tokens; `documents` (terms,) how many of `total` hold each term.
    """
    held = counts.sum(axis=2).astype(np.float32)
    length = lengths.sum(axis=1, keepdims=True).astype(np.float32)
    mean = float(length.sum()) / max(len(length), 1)
    norm = 1.2 * (0.25 + 0.75 * length / max(mean, 1.0))
    idf = np.log1p((np.maximum(total - documents, 0) + 0.5) / (documents + 0.5)).astype(np.float32)
    return np.asarray((idf * held * 2.2 / (held + norm)).sum(axis=1), np.float32)
