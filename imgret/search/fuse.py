"""Late fusion: the evidence of each space of vectors and of the words, in one sum. Pure numpy.

All arrays have the candidates on their last axis, (..., candidates). Those of a sample of the library have it there
instead, (..., sample). Leading axes, such as one for queries, broadcast. NaN stands for a vector that is missing.

1. `standard`: cosines become standard scores, relative to this query's own baseline in the library, because encoders
   differ in where their cosines are (0.83 +- 0.03 for one, 0.05 +- 0.07 for another).
2. `evidence`: a standard score becomes a log-likelihood ratio with a floor, which is 0 where the space has no
   information. Chance differences of a weak encoder, or of poor captions, stay below the floor.
3. `joined`: the evidence of the spaces is added. Images that may be noise are doubted (`imgret.search.image_doubt`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Counts = NDArray[np.int32]
Flags = NDArray[np.bool_]


PASSAGE, CAPTIONS, COUNTS, NOTE = VIEWS = ("passage", "captions", "counts", "note")  # of the text vectors


class Curve(Struct, frozen=True):
    """How the standard scores of a space become evidence: `log(1 + exp(slope * z - normaliser - floor))`.

    `exp(slope * z)` relative to its mean over the library is how much more likely this photo is meant than any
    photo. `floor` is the log odds that the space is wrong about the query, and every photo equally likely. `own` is how
    much the photo itself counts in that mean: with 1 the evidence is bounded, with 0 it is that of odds.
    """

    slope: float
    floor: float
    own: float


class Weights(Struct, frozen=True):
    """How much each source counts; found by `python -m benchmarks.quality`, explained in ARCHITECTURE.md."""

    passage: float = 0.4  # of the text's cosine; the rest is that of the captions, which counts do not blur
    note: float = 0.4  # a note beside a caption is added, so that it does not drown in it
    note_from: float = 1.5  # ... the part that exceeds the middle by so many spreads: below, it is noise
    counts: float = 0.05  # a little, beside a caption: labels repeat much of it, and a passage has them in it
    words: float = 20.0  # spreads for a word that only one photo has, when it is the whole query
    words_power: float = 8.0  # ... and how fast that falls when other words of the query are missing
    shared_words: float = 0.5  # spreads for a rare word, times the share of the query that occurs with it
    # Slopes and floors are in the middle of the region where the sum is at least as good as each space alone: CLIP
    # with human captions, with noise of up to twice the vector's length, with poor or wrong captions, 10 to 240 photos,
    # three text embedders. Image cosines are distributed more evenly than those of texts, so they get the steeper curve.
    # The nearest text is the right one less often than it stands out: poor captions share a few words. So it is bounded.
    text: Curve = Curve(2.0, 2.5, own=1.0)
    image: Curve = Curve(3.0, 1.0, own=0.0)
    agreeing: float = 0.5  # correlation of image and text scores from which on images are not doubted
    doubt: float = 2.0  # added to the floor for each spread that the best image is below ...
    stands_out: float = 1.0  # ... this many spreads above what chance gives
    # ... as far as captions differ: 0 up to the first share of what is possible, all of it from the second on
    distinct: tuple[float, float] = (0.4, 0.8)
    structured: float = 0.4  # `structure` of image vectors from which on they are certainly not noise
    shapeless: float = 4.0  # added to the floor of the images where there is no structure at all
    # What a photo has evidence of stands for what it lacks as well, or photos that wait for a stage would sink:
    without_image: float = 1.6  # a photo without an image vector has its text evidence this many times
    without_text: float = 1.25  # ... and one that no text describes its image evidence
    # Of a vector's similarity to its neighbours, taken off: some are near to every query.
    hubness: float = 0.15


WEIGHTS = Weights()
LEAST_SPREAD = 0.01  # of cosines: where all photos are alike, words must still count
OUTLIER = 3.0  # standard scores above it are not of the baseline: the photos that match
LARGEST = 12.0  # standard scores count up to here in the normaliser


class Baseline(Struct, frozen=True):
    """How the cosines of a query are distributed over the library, in one view. Arrays are (..., 1)."""

    middle: Scores
    spread: Scores


class Matches(Struct, frozen=True):
    """Which words of the query occur in the candidates."""

    counts: Counts  # (candidates, terms, columns): how often
    lengths: Counts  # (candidates, columns), in tokens
    rarity: Scores  # (terms,): inverse document frequency
    rarest: float  # that of a word in no document
    columns: Scores  # (columns,): how much a word in each counts


def baseline(cosines: Scores) -> Baseline:
    """Median and robust spread over the last axis, so that the photos which match do not count. Skips NaN."""
    if cosines.ndim == 1:  # those of one query: most have no NaN, and a search needs ten of them
        cosines = cosines[~np.isnan(cosines)]
    if not cosines.shape[-1] or np.isnan(cosines).all():
        shape = (*cosines.shape[:-1], 1)
        return Baseline(np.zeros(shape, np.float32), np.full(shape, LEAST_SPREAD, np.float32))
    middle = _median(cosines)
    return Baseline(np.asarray(middle, np.float32), np.asarray(_spreads(cosines, middle), np.float32))


def spread(cosines: Scores) -> float:
    """The mean over all rows of the robust deviation of cosines along the last axis."""
    middle = np.median(cosines, axis=-1, keepdims=True)
    return float(_spreads(cosines, middle).mean())


def _spreads(cosines: Scores, middle: Scores) -> Scores:
    """The deviation along the last axis, robust against the few that match, (..., 1).

    It is the median absolute deviation. That is nearly zero where most photos have similar texts, so half the
    standard deviation, which it exceeds in all other libraries, is the least.
    """
    robust = 1.4826 * _median(np.abs(cosines - middle))
    deviation = np.std if cosines.ndim == 1 else np.nanstd
    found = np.maximum(robust, deviation(cosines, axis=-1, keepdims=True) / 2)
    found_at_least: Scores = np.maximum(found, LEAST_SPREAD)
    return found_at_least


def _median(values: Scores) -> Scores:
    """The median over the last axis, (..., 1), without NaN; one axis must have none. numpy's own takes five times as long."""
    if values.ndim > 1:
        return np.asarray(np.nanmedian(values, axis=-1, keepdims=True), np.float32)
    places = [(len(values) - 1) // 2, len(values) // 2]
    return np.asarray(np.partition(values, places)[places].mean(keepdims=True), np.float32)


def hubness(rows: Scores, bank: Scores) -> Scores:
    """Return how near each row (rows, dimension) is to its neighbours in a bank (bank, dimension): (rows,).

    It is the mean cosine with the nearest eighth of the bank, without the row itself and copies of it (Lazaridou,
    Dinu and Baroni, 2015). NaN where the row is NaN.
    """
    if not len(bank):
        return np.zeros(len(rows), np.float32)
    cosines = rows @ bank.T
    cosines = np.where(cosines > 0.995, -1, cosines)
    count = max(1, len(bank) // 8)
    nearest = np.partition(cosines, len(bank) - count, axis=1)[:, len(bank) - count :]
    return np.asarray(np.maximum(nearest, 0).mean(axis=1), np.float32)


def text_cosines(
    cosines: Mapping[str, Scores], grounds: Mapping[str, Baseline], weights: Weights = WEIGHTS
) -> Scores:
    """Return how far the text views of photos exceed the baseline together, in cosines; NaN without a text vector.

    `cosines[view]` is NaN where a photo lacks the view.
    """
    above = {view: cosines[view] - grounds[view].middle for view in VIEWS}
    passage, captions, note = above[PASSAGE], above[CAPTIONS], above[NOTE]
    captioned = ~np.isnan(captions)
    own = np.where(captioned, captions, passage)
    informative = np.nan_to_num(note, nan=0.0) - np.float32(weights.note_from) * grounds[NOTE].spread
    beside = np.where(captioned & ~np.isnan(note), np.maximum(informative, 0.0), 0.0)
    counted = np.where(captioned, np.nan_to_num(above[COUNTS], nan=0.0), 0.0)
    total = (
        weights.passage * passage
        + (1 - weights.passage) * own
        + weights.note * beside
        + weights.counts * counted
    )
    return np.asarray(total, np.float32)


def standard(cosines: Scores, ground: Baseline, least: float = LEAST_SPREAD) -> Scores:
    """Cosines in spreads above the query's baseline; NaN stays NaN.

    `least` counts as one spread at least: where a query means nothing in the library, all its cosines are small and
    close together, and the largest would look like a match.
    """
    return np.asarray((cosines - ground.middle) / np.maximum(ground.spread, np.float32(least)), np.float32)


def evidence(
    scores: Scores,
    sample: Scores,
    size: int,
    curve: Curve,
    *,
    words: Scores | float = 0.0,
    doubt: Scores | float = 0.0,
) -> Scores:
    """Return the evidence of these standard scores for each candidate; it is 0 where a score is NaN.

    `sample` has standard scores of the same query all over the library, (..., sample), and `size` is how many
    photos the library has in this space. `words` are further spreads from words, `doubt` is added to the floor.

    Every other photo that matches makes each one less likely to be the one that is meant, so the normaliser is the
    mean of `exp(slope * z)` over the photos: from the sample up to OUTLIER, and above from the candidates.
    """
    slope = curve.slope
    with np.errstate(invalid="ignore"):
        usual = np.exp(slope * np.minimum(np.asarray(sample, np.float64), OUTLIER))
        z = np.asarray(scores, np.float64)
        beyond = np.exp(slope * np.clip(np.nan_to_num(z, nan=0.0), OUTLIER, LARGEST)) - np.exp(
            slope * OUTLIER
        )
    there = ~np.isnan(usual)
    mean = np.where(there, usual, 0.0).sum(axis=-1, keepdims=True) / np.maximum(
        there.sum(axis=-1, keepdims=True), 1
    )
    mean = np.where(there.any(axis=-1, keepdims=True), mean, 1.0)
    matching = beyond.sum(axis=-1, keepdims=True) - (1 - curve.own) * beyond
    normaliser = np.log(mean + np.maximum(matching, 0.0) / max(size, 1))
    total = np.logaddexp(0, slope * (np.nan_to_num(z, nan=0.0) + words) - normaliser - curve.floor - doubt)
    has_score = ~np.isnan(z) | (np.asarray(words) > 0)
    return np.asarray(np.where(has_score, total, 0.0), np.float32)


def joined(
    text: Scores, image: Scores, *, described: Flags, seen: Flags, weights: Weights = WEIGHTS
) -> Scores:
    """Return the sum of the evidence of texts and words, and of the image space.

    `described` are the photos that a text describes, `seen` those with an image vector. Only for libraries with both:
    without an image space the score is that of the text alone.
    """
    by_text = np.where(seen, 1.0, weights.without_image) * text
    by_image = np.where(described, 1.0, weights.without_text) * image
    return np.asarray(by_text + by_image, np.float32)


def rarity(documents: NDArray[np.int64], total: int) -> Scores:
    """Inverse document frequency as BM25 has it, for terms that this many of `total` documents hold."""
    documents = np.minimum(documents, total)
    return np.log1p((total - documents + 0.5) / (documents + 0.5)).astype(np.float32)


def bm25(matches: Matches) -> Scores:
    """BM25 (k1 1.2, b 0.75) of each candidate, all columns read as one text in which words count by their column."""
    held = np.asarray(matches.counts @ matches.columns, np.float32)
    length = matches.lengths.sum(axis=1, keepdims=True).astype(np.float32)
    mean = float(length.sum()) / max(len(length), 1)
    norm = 1.2 * (0.25 + 0.75 * length / max(mean, 1.0))
    return np.asarray((matches.rarity * held * 2.2 / (held + norm)).sum(axis=1), np.float32)


def coverage(matches: Matches) -> Scores:
    """How much of the query occurs in each candidate, 0..1, its rare words weighing more."""
    held = matches.counts.any(axis=2)
    total = float(matches.rarity.sum())
    return np.asarray((held * matches.rarity).sum(axis=1) / max(total, 1e-6), np.float32)


def worded(score: Scores, covered: Scores, rarest: float, weights: Weights = WEIGHTS) -> Scores:
    """Return what the words add, in spreads: BM25 in units of a word that no photo has, by the share of the query.

    `score` is BM25, `covered` the coverage, `rarest` the rarity of a word in no document. Words that all of the query
    shares with a note or a name say what no vector can see; one shared word among several is chance more often
    than not, and BM25 alone would take it for much.
    """
    share = np.asarray(covered, np.float32)
    counted = weights.shared_words * share + weights.words * share ** np.float32(weights.words_power)
    return np.asarray(score / max(rarest, 1e-6) * counted, np.float32)
