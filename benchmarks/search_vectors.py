"""Vectors of generated photos for `benchmarks.two_spaces`, in a text space and an image space of 768 dimensions.

Each space is calibrated on real vectors where they are at hand: 112 photos of the baseline project (INSTRUCTOR's
vectors of their passages) and 200 photos of COCO with a question each (CLIP ViT-B/16). Real are the mean, the leading
axes, the total variance, and how fast the variance falls along the axes: a power law whose participation ratio,
(sum of the variances)² / sum of their squares, is that of the real vectors. Without the real vectors, a random mean
and random axes with the same figures are used.

Neighbours are as in photo folders: half of the variance is between scenes, some of which are popular, 35 % between the
events of a scene, and 15 % between the shots of an event, three on average. A photo has the same scene, event and shot
in both spaces. Questions are vectors near a photo: at the typical distance of a question from a caption in the text
space; in the image space around the mean of real questions, so far from the images as questions are for CLIP, and with
the standard score that the right photo has there.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = os.path.join(os.path.dirname(__file__), "..", "..", "shared", "seed")
TEXTS = os.path.join(SEED, "vectors", "feature_matrix.npy")
IMAGES = os.path.join(SEED, "vectors-clip", "clip200.npz")
DIMENSION = 768
SCENES = 6000
SCENE, EVENT, SHOT = 0.5, 0.35, 0.15  # shares of the variance
QUESTION_NEAR = 0.33  # of the offset of an image, in that of a question: the regression of the real pairs

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]


class Photos(NamedTuple):
    """Generated photos, (photos, 768) each, unit norm."""

    passage: Matrix
    caption: Matrix
    counts: Matrix
    image: Matrix
    scenes: NDArray[np.int64]  # (photos,)


class Cloud:
    """The distribution of the vectors of one space."""

    def __init__(self, real: Floats | None, seed: int) -> None:
        """Calibrate on `real` (n, 768), if there is any."""
        random = np.random.default_rng(seed)
        self.calibrated = real is not None
        if real is not None:
            axes, variance, ratio = _axes(real)
            mean = real.mean(axis=0)
        else:
            axes, variance, ratio = np.zeros((0, DIMENSION)), 0.3, 45.0
            mean = _unit(random.standard_normal((1, DIMENSION)))[0].astype(np.float64) * np.sqrt(1 - variance)
        self._mean = mean.astype(np.float32)
        random_axes = random.standard_normal((DIMENSION - len(axes), DIMENSION))
        basis = np.linalg.qr(np.vstack([axes, random_axes]).T)[0].T
        self._shape = (np.sqrt(variance * _falling(ratio))[:, np.newaxis] * basis).astype(np.float32)
        self._scenes = self.noise(random, SCENES)

    def noise(self, random: np.random.Generator, count: int) -> Matrix:
        """Return offsets from the mean with the variance of the whole space, (count, 768)."""
        return np.asarray(random.standard_normal((count, DIMENSION), np.float32) @ self._shape, np.float32)

    def photos(
        self, random: np.random.Generator, scenes: NDArray[np.int64], events: NDArray[np.int64]
    ) -> Matrix:
        """Return one vector for each photo from the scene of each event and the event of each photo."""
        base = np.sqrt(SCENE) * self._scenes[scenes] + np.sqrt(EVENT) * self.noise(random, len(scenes))
        shots = np.sqrt(SHOT) * self.noise(random, len(events))
        return _unit(self._mean + base[events].astype(np.float32) + shots.astype(np.float32))

    def near(self, random: np.random.Generator, vectors: Matrix, share: float, other: Cloud) -> Matrix:
        """Return vectors of the space `other` near these: `share` of their offset from the mean, the rest noise."""
        rest = np.float32(np.sqrt(1 - share**2))
        offset = np.float32(share) * (vectors - self._mean) + rest * other.noise(random, len(vectors))
        return _unit(other._mean + offset)


class Generator:
    """Generates photos and questions in both spaces."""

    def __init__(self, seed: int = 11) -> None:
        """Calibrate on the real vectors, if they are there."""
        texts = _normed(np.load(TEXTS)) if os.path.exists(TEXTS) else None
        pairs = np.load(IMAGES) if os.path.exists(IMAGES) else None
        self.text = Cloud(texts, seed)
        self.image = Cloud(None if pairs is None else _normed(pairs["images"]), seed + 1)
        self._query_cloud = Cloud(None if pairs is None else _normed(pairs["vectors"]), seed + 2)
        popular = np.minimum(np.random.default_rng(seed).zipf(1.3, SCENES).astype(float), 200)
        self._popular = popular / popular.sum()

    @property
    def calibrated(self) -> bool:
        """Whether both spaces were calibrated on real vectors."""
        return self.text.calibrated and self.image.calibrated

    def photos(self, count: int, seed: int) -> Photos:
        """Return `count` photos in random order."""
        random = np.random.default_rng(seed)
        events = np.repeat(np.arange(count), random.geometric(1 / 3, count))[:count]
        scenes = random.choice(SCENES, int(events[-1]) + 1, p=self._popular)
        events = random.permutation(events)
        passage = self.text.photos(random, scenes, events)
        return Photos(
            passage,
            self.text.near(random, passage, 0.9, self.text),
            self.text.near(random, passage, 0.5, self.text),
            self.image.photos(random, scenes, events),
            scenes[events],
        )

    def text_questions(self, targets: Matrix, seed: int) -> Matrix:
        """Return a text vector near each target, (targets, 768)."""
        return self.text.near(np.random.default_rng(seed), targets, 0.8, self.text)

    def image_questions(self, targets: Matrix, seed: int) -> Matrix:
        """Return the vector of a question for each target, (targets, 768)."""
        return self.image.near(np.random.default_rng(seed), targets, QUESTION_NEAR, self._query_cloud)


def _axes(real: Floats) -> tuple[Floats, float, float]:
    """Return the axes of real vectors (n, 768), their total variance, and its participation ratio."""
    centred = real - real.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][: len(real) - 1]
    # Squared products of differences between disjoint pairs: unbiased, unlike the sample's own spectrum.
    random, squares, variances = np.random.default_rng(0), [], []
    for _ in range(100):
        four = random.permutation(len(real))[: len(real) // 4 * 4].reshape(4, -1)
        one, other = real[four[0]] - real[four[1]], real[four[2]] - real[four[3]]
        squares.append(np.mean(np.vecdot(one, other) ** 2) / 4)
        variances.append(np.mean(np.vecdot(one, one)) / 2)
    variance = float(np.mean(variances))
    return axes, variance, variance**2 / float(np.mean(squares))


def _falling(ratio: float) -> Floats:
    """Return shares of the variance along 768 axes, a power law with this participation ratio."""
    low, high = 0.0, 3.0
    for _ in range(50):
        power = (low + high) / 2
        shares = np.arange(1.0, DIMENSION + 1) ** -power
        shares /= shares.sum()
        if 1 / (shares**2).sum() > ratio:
            low = power
        else:
            high = power
    return np.asarray(shares, np.float64)


def _normed(vectors: NDArray[np.floating]) -> Floats:
    """Return unit vectors of 768 dimensions; zeros are appended to shorter ones."""
    rows = vectors.astype(np.float64)
    rows = np.hstack([rows, np.zeros((len(rows), DIMENSION - rows.shape[1]))])
    return np.asarray(rows / np.linalg.norm(rows, axis=1)[:, np.newaxis], np.float64)


def _unit(vectors: NDArray[np.floating]) -> Matrix:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
