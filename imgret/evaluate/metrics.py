"""Ranks -> figures with 95 % bootstrap intervals, and the paired comparison of two rankings.

Every question has exactly one right photo, so each measure is a function of that photo's rank alone:

- R@k: 1 if the rank is at most k (recall and success coincide);
- MRR: 1 / rank (Voorhees, TREC-8, 1999);
- nDCG@10: 1 / log2(1 + rank) up to rank 10, else 0 (Järvelin and Kekäläinen, 2002; the ideal gain is 1);
- mean rank per 1,000: 1000 * rank / photos, so that galleries of unlike size can be compared; median rank.

Photos with equal scores share the middle of their ranks, so that the order in which they were indexed
helps nobody. A photo that was not returned at all scores 0 in the first three, and takes the middle of the
ranks that are left in the last two: what it would have on average if the rest were shuffled.

Intervals are percentile bootstraps (Efron and Tibshirani, 1993) that draw *photos* with all their
questions: captions of one photo succeed and fail together, and drawing them singly would make the
intervals too narrow.

numpy alone: ranx brings 36 packages (numba, pandas, matplotlib), ir-measures a C extension and scipy; both
want a dictionary of every photo's score for every question, and neither knows ties, ranks or clusters. The
tests hold R@k, MRR and nDCG@10 to the figures of ir-measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0
MEDIAN = "median rank"
PER_1000 = "mean rank / 1k"
MEANS = ("R@1", "R@5", "R@20", PER_1000, "MRR", "nDCG@10")  # measures that are means over questions
MEASURES = ("R@1", "R@5", "R@20", PER_1000, MEDIAN, "MRR", "nDCG@10")
LESS_IS_MORE = frozenset({PER_1000, MEDIAN})

_CELLS = 4_000_000  # of a table in memory at once
_EQUAL = 1e-6

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class Answer(Struct, frozen=True, array_like=True):
    """Where the right photo stood in one ranking."""

    rank: float | None  # from 1, the middle of those with equal scores; None: not returned
    returned: int  # how many photos were


class Ranks(Struct, frozen=True, eq=False):
    """All answers of one ranking. Arrays are (questions,)."""

    rank: Floats  # infinite where the photo was not returned
    expected: Floats  # the same, with the middle of the ranks left there
    photo: Ids  # which photo each question was written for: 0, 1, ...
    photos: int  # in the gallery


class Score(Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Difference(Struct, frozen=True):
    """How much the second ranking differs from the first, with its 95 % interval."""

    first: float
    second: float
    value: float  # second - first
    low: float
    high: float
    p: float  # two-sided: how often chance alone would show as much

    def better(self, measure: str) -> bool | None:
        """Is the second really better? None: it cannot be said."""
        if self.low <= 0 <= self.high:
            return None
        return (self.value < 0) == (measure in LESS_IS_MORE)


def answer(contents: Ids, scores: Floats, right: int | None) -> Answer:
    """Where `right` stands in a ranking: `contents` and their falling `scores`, both (returned,).

    `right` is None for a photo that is not in the index. Raises ValueError for scores that rise.
    """
    if np.any(np.diff(scores) > 0):
        raise ValueError("the scores of a ranking must fall")
    if right is None or right not in contents:
        return Answer(None, len(contents))
    score = scores[contents == right][0]
    alike = equal(scores, score)
    above = int(np.count_nonzero((scores > score) & ~alike))
    return Answer(above + (int(np.count_nonzero(alike)) + 1) / 2, len(contents))


def equal(scores: Floats, score: float) -> NDArray[np.bool_]:
    """Which scores are the same as `score`, but for the last bits of a product of matrices."""
    return np.abs(np.asarray(scores) - score) <= _EQUAL


def ranks(answers: Sequence[Answer], asked: Sequence[object], photos: int) -> Ranks:
    """The answers to questions about the photos `asked` (one each), among `photos` photos."""
    if not answers:
        raise ValueError("nothing was asked")
    rank = np.array([np.inf if each.rank is None else each.rank for each in answers])
    returned = np.array([each.returned for each in answers])
    rest = np.maximum(returned + 1, (returned + 1 + photos) / 2)
    numbers = {photo: number for number, photo in enumerate(dict.fromkeys(asked))}
    photo = np.array([numbers[each] for each in asked], np.int64)
    if len(photo) != len(rank):
        raise ValueError(f"{len(rank)} answers to {len(photo)} questions")
    return Ranks(rank, np.where(np.isinf(rank), rest, rank), photo, photos)


def scores(ranks: Ranks, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Score]:
    """Every measure with its interval. Equal arguments give equal figures."""
    drawn = _drawn(ranks, ranks, resamples, seed)
    value = _figures(ranks, np.ones((1, ranks.photo.max() + 1), np.int64))[0]
    low, high = np.percentile(np.concatenate([one for one, _ in drawn]), [2.5, 97.5], axis=0)
    return {
        measure: Score(float(value[column]), float(low[column]), float(high[column]))
        for column, measure in enumerate(MEASURES)
    }


def differences(
    first: Ranks, second: Ranks, *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Difference]:
    """Every measure of two rankings of the same questions: the same photos are drawn for both.

    Raises ValueError if their questions are not the same ones, in the same order.
    """
    if not np.array_equal(first.photo, second.photo):
        raise ValueError("only answers to the same questions can be compared")
    drawn = np.concatenate([b - a for a, b in _drawn(first, second, resamples, seed)])
    all_once = np.ones((1, first.photo.max() + 1), np.int64)
    a, b = _figures(first, all_once)[0], _figures(second, all_once)[0]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    below, above = (drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0)
    p = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (len(drawn) + 1))
    return {
        measure: Difference(*(float(each[column]) for each in (a, b, b - a, low, high, p)))
        for column, measure in enumerate(MEASURES)
    }


def _drawn(first: Ranks, second: Ranks, resamples: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """The measures of both under the same drawn photos, some resamples at a time: (some, measures)."""
    count = int(first.photo.max()) + 1
    random, chances = np.random.default_rng(seed), np.full(count, 1 / count)
    step = max(1, _CELLS // max(count, len(first.photo)))
    for begun in range(0, resamples, step):
        times = random.multinomial(count, chances, size=min(step, resamples - begun))
        one = _figures(first, times)
        yield one, one if second is first else _figures(second, times)


def _figures(ranks: Ranks, times: Ids) -> Floats:
    """The measures when each photo is drawn so many times: `times` (draws, photos) -> (draws, measures)."""
    means = np.stack(
        [
            ranks.rank <= 1,
            ranks.rank <= 5,
            ranks.rank <= 20,
            ranks.expected * 1000 / ranks.photos,
            1 / ranks.rank,
            np.where(ranks.rank <= 10, 1 / np.log2(1 + ranks.rank), 0),
        ],
        axis=1,
    ).astype(np.float64)
    sums = np.zeros((times.shape[1], len(MEANS)))
    np.add.at(sums, ranks.photo, means)
    found = dict(zip(MEANS, (times @ sums / (times @ np.bincount(ranks.photo))[:, None]).T, strict=True))
    found[MEDIAN] = _medians(ranks, times)
    return np.stack([found[measure] for measure in MEASURES], axis=1)


def _medians(ranks: Ranks, times: Ids) -> Floats:
    """The median of the expected ranks, each counted as often as its photo was drawn: (draws,)."""
    order = np.argsort(ranks.expected, kind="stable")
    upto = np.cumsum(times[:, ranks.photo[order]], axis=1)
    half = upto[:, -1:] / 2
    sorted_ranks = ranks.expected[order]
    lower = sorted_ranks[np.argmax(upto >= half, axis=1)]
    upper = sorted_ranks[np.argmax(upto > half, axis=1)]
    return np.asarray((lower + upper) / 2, np.float64)
