"""How much images are doubted beside texts: they may be noise, and captions may describe nothing. Pure numpy.

Three things show whether image vectors are informative: they have a structure of their own, they agree with the texts
about the query, or one stands out. Texts can only be a reason for doubt if they differ from photo to photo.

Arrays have the photos on their last axis, as in `imgret.search.fuse`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgret.search import fuse

Scores = NDArray[np.float32]
Matrix = NDArray[np.float32]

LEAST_COMMON = 4  # photos with scores in two spaces from which on their correlation is used
LEAST = 8  # vectors from which on their structure and their distinctness are known
SAME = 0.995  # cosine of two texts that are the same


def agreement(first: Scores, second: Scores) -> Scores:
    """Return the correlation of the standard scores of the same photos in two spaces, over the last axis, (..., 1).

    NaN if fewer than LEAST_COMMON photos have both.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    count = both.sum(axis=-1, keepdims=True)

    def centred(scores: Scores) -> NDArray[np.float64]:
        kept = np.where(both, np.minimum(scores, fuse.OUTLIER), 0.0).astype(np.float64)
        return np.where(both, kept - kept.sum(axis=-1, keepdims=True) / np.maximum(count, 1), 0.0)

    one, other = centred(first), centred(second)
    spreads = np.sqrt((one**2).sum(axis=-1, keepdims=True) * (other**2).sum(axis=-1, keepdims=True))
    found = (one * other).sum(axis=-1, keepdims=True) / np.maximum(spreads, 1e-9)
    return np.asarray(np.where(count >= LEAST_COMMON, found, np.nan), np.float32)


def structure(rows: Matrix) -> float:
    """Return how far the vectors (photos, dimension) are from noise: 0 for noise, towards 1 for few directions.

    It is 1 - 1 / (dimension x the mean squared cosine of two vectors, from their mean). The mean squared cosine of
    independent directions is 1 / dimension; its inverse is the participation ratio, the number of directions in
    use. It does not depend on the number of photos. 1 for fewer than LEAST vectors. Rows of NaN are left out.
    """
    rows = _there(rows)
    count, dimension = rows.shape
    if count < LEAST:
        return 1.0
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    if lengths.max() < 1e-6:
        return 1.0  # all are the same
    centred /= np.maximum(lengths, 1e-9)
    cosines = (centred @ centred.T)[~np.eye(count, dtype=np.bool_)]
    cosines += 1 / (count - 1)  # their mean, because the vectors are relative to their own mean
    return float(np.clip(1 - 1 / max(dimension * (cosines**2).mean(), 1e-9), 0.0, 1.0))


def distinctness(rows: Matrix) -> float:
    """Return how much the texts of photos differ, 0..1, from their vectors (photos, dimension).

    It is log(number of different texts) / log(number of photos), where the number is the inverse of the probability that
    two photos drawn with replacement have the same text. 1 for fewer than LEAST vectors. Rows of NaN are left out.
    """
    rows = _there(rows)
    if len(rows) < LEAST:
        return 1.0
    same = rows @ rows.T > SAME
    np.fill_diagonal(same, val=True)
    return float(-np.log(same.mean()) / np.log(len(rows)))


def doubt(
    scores: Scores,
    sample: Scores,
    size: int,
    agreeing: Scores,
    *,
    structure: float = 1.0,
    distinctness: float = 1.0,
    weights: fuse.Weights = fuse.WEIGHTS,
) -> Scores:
    """Return what is added to the floor of the images, (..., 1).

    `scores` are the standard scores of candidates, `sample` those of the sample, of `size` photos; `agreeing` is the
    `agreement` with the texts, and NaN is no reason for doubt. `structure` is that of the image vectors, `distinctness`
    that of the texts.

    Noise agrees with nothing, and its greatest standard score is what chance gives among so many photos,
    `sqrt(2 log(size))`. Informative images beside uninformative captions exceed that.
    """
    with np.errstate(invalid="ignore"):
        best = np.fmax(
            np.fmax.reduce(scores, axis=-1, keepdims=True, initial=0.0),
            np.fmax.reduce(sample, axis=-1, keepdims=True, initial=0.0),
        )
    chance = np.sqrt(2 * np.log(max(size, 1)))
    short = np.maximum(chance + weights.stands_out - best, 0.0)
    apart = np.clip(1 - np.nan_to_num(agreeing, nan=weights.agreeing) / weights.agreeing, 0.0, 1.0)
    informative = np.interp(distinctness, weights.distinct, (0.0, 1.0))
    shapeless = weights.shapeless * max(1 - structure / weights.structured, 0.0)
    return np.asarray(weights.doubt * short * apart * informative + shapeless, np.float32)


def _there(rows: Matrix) -> Matrix:
    return rows[~np.isnan(rows[:, 0])] if len(rows) else rows
