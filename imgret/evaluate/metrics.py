"""Compute measures with 95 % bootstrap intervals from ranks, and compare two rankings in pairs.

Every query has exactly one relevant photo, so each measure is a function of that photo's rank alone:

- R@k: 1 if the rank is at most k (recall and success coincide);
- MRR: 1 / rank (Voorhees, TREC-8, 1999);
- nDCG@10: 1 / log2(1 + rank) up to rank 10, else 0 (Järvelin and Kekäläinen, 2002; the ideal gain is 1);
- mean rank per 1,000: 1000 * rank / photos, which makes galleries of different sizes comparable; median rank.

Photos with equal scores get the mean of their ranks, so the order of indexing has no influence. A photo that was not
returned scores 0 in the first three measures. In the last two it gets the mean of the remaining ranks: its expected
rank if the rest were in random order.

Intervals are percentile bootstraps (Efron and Tibshirani, 1993) that resample *photos* with all their queries: the
results of one photo's captions are correlated, and resampling single queries would make the intervals too narrow.

This uses numpy alone. ranx depends on 36 packages (numba, pandas, matplotlib), ir-measures on a C extension and scipy;
both need a dictionary of every photo's score for every query, and neither supports ties, ranks or clusters. The tests
compare R@k, MRR and nDCG@10 with the results of ir-measures.
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
MEANS = ("R@1", "R@5", "R@20", PER_1000, "MRR", "nDCG@10")  # measures that are means over queries
MEASURES = ("R@1", "R@5", "R@20", PER_1000, MEDIAN, "MRR", "nDCG@10")
LOWER_IS_BETTER = frozenset({PER_1000, MEDIAN})

_CELLS = 4_000_000  # maximum cells of a table in memory
_EQUAL = 1e-6

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class PhotoRank(Struct, frozen=True, array_like=True):
    """The rank of the relevant photo in one ranking."""

    rank: float | None  # from 1; photos with equal scores get their mean rank; None: not returned
    returned: int  # number of photos that were returned


class Ranks(Struct, frozen=True, eq=False):
    """The ranks of all queries in one ranking. Arrays are (queries,)."""

    rank: Floats  # infinite if the photo was not returned
    expected: Floats  # the same, but the mean of the remaining ranks if the photo was not returned
    photo: Ids  # the number of the relevant photo: 0, 1, ...
    photos: int  # number of photos in the gallery


class Score(Struct, frozen=True):
    """The value of a measure and its 95 % interval."""

    value: float
    low: float
    high: float


class Difference(Struct, frozen=True):
    """The difference between two rankings in one measure, with its 95 % interval."""

    first: float
    second: float
    value: float  # second - first
    low: float
    high: float
    p: float  # two-sided p-value

    def better(self, measure: str) -> bool | None:
        """Return whether the second ranking is better; None if the difference is not significant."""
        if self.low <= 0 <= self.high:
            return None
        return (self.value < 0) == (measure in LOWER_IS_BETTER)


def photo_rank(contents: Ids, scores: Floats, relevant: int) -> PhotoRank:
    """Return the rank of `relevant` in a ranking: `contents` and their scores, both (returned,), in any order."""
    place = np.flatnonzero(contents == relevant)
    if not len(place):
        return PhotoRank(None, len(contents))
    score = scores[place[0]]
    tied = np.abs(scores - score) <= _EQUAL * max(1.0, abs(score))  # up to rounding errors of float32
    above = int(np.count_nonzero((scores > score) & ~tied))
    return PhotoRank(above + (int(np.count_nonzero(tied)) + 1) / 2, len(contents))


def ranks(found: Sequence[PhotoRank], relevant: Sequence[object], photos: int) -> Ranks:
    """Combine the results of all queries. `relevant` has the photo of each query; the gallery has `photos` photos.

    Raises ValueError if there are no queries or the two sequences differ in length.
    """
    if not found:
        raise ValueError("there are no queries")
    rank = np.array([np.inf if each.rank is None else each.rank for each in found])
    returned = np.array([each.returned for each in found])
    remaining = np.maximum(returned + 1, (returned + 1 + photos) / 2)
    numbers = {photo: number for number, photo in enumerate(dict.fromkeys(relevant))}
    photo = np.array([numbers[each] for each in relevant], np.int64)
    if len(photo) != len(rank):
        raise ValueError(f"{len(rank)} results for {len(photo)} queries")
    return Ranks(rank, np.where(np.isinf(rank), remaining, rank), photo, photos)


def scores(ranks: Ranks, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Score]:
    """Return every measure with its interval. The result is deterministic."""
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
    """Return the difference in every measure between two rankings of the same queries, by a paired bootstrap.

    Raises ValueError if their queries are not the same, in the same order.
    """
    if not np.array_equal(first.photo, second.photo):
        raise ValueError("only rankings of the same queries can be compared")
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
    """Yield the measures of both rankings for the same resampled photos, some resamples at a time: (some, measures)."""
    count = int(first.photo.max()) + 1
    random, chances = np.random.default_rng(seed), np.full(count, 1 / count)
    step = max(1, _CELLS // max(count, len(first.photo)))
    for begun in range(0, resamples, step):
        times = random.multinomial(count, chances, size=min(step, resamples - begun))
        one = _figures(first, times)
        yield one, one if second is first else _figures(second, times)


def _figures(ranks: Ranks, times: Ids) -> Floats:
    """Return the measures, (draws, measures), if each photo counts as often as in `times`, (draws, photos)."""
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
    """Return the medians, (draws,), of the expected ranks, each counted as often as its photo was drawn."""
    order = np.argsort(ranks.expected, kind="stable")
    upto = np.cumsum(times[:, ranks.photo[order]], axis=1)
    half = upto[:, -1:] / 2
    sorted_ranks = ranks.expected[order]
    lower = sorted_ranks[np.argmax(upto >= half, axis=1)]
    upper = sorted_ranks[np.argmax(upto > half, axis=1)]
    return np.asarray((lower + upper) / 2, np.float64)
