"""The probability that a person agrees that a photo matches a query: confidence and strength. Pure numpy.

The curve of texts was fitted on people's judgements of captions with photos (three people a pair, the majority counts),
pooled over three kinds of captions, pairs weighted by how rarely such a pair was judged; that of images with texts on CLIP
vectors with captions from good to empty, where every photo but one counted as wrong. ARCHITECTURE.md has the figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgret.search.fuse import Curve

Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]

FAIR, STRONG = 0.4, 0.8  # confidence from which on; of all such hits, 1 in 2 and 9 in 10 are right
# The evidence is that of odds, which are unbounded: a photo that alone matches is certain, however small the library is.
TEXT = Curve(1.5, 2.5, own=0.0)
IMAGE = Curve(2.5, 1.5, own=0.0)
# (evidence, confidence), between which is interpolated.
_TEXT = (
    (0, 0.0),
    (0.25, 0.05),
    (0.6, 0.15),
    (1.25, 0.25),
    (1.75, 0.4),
    (2.25, 0.55),
    (4.0, 0.8),
    (5.0, 0.95),
)
_BOTH = (
    (0, 0.0),
    (1.0, 0.03),
    (2.0, 0.12),
    (3.0, 0.3),
    (3.4, 0.4),
    (4.25, 0.55),
    (5.2, 0.8),
    (6.0, 0.93),
    (7, 0.98),
)
_WORDS = ((0, 0.0), (0.4, 0.1), (0.6, 0.3), (0.75, 0.45), (0.95, 0.6), (0.99, 0.85), (1, 0.9))  # (share, ...)
# An image vector decides: of its text, this share is added, up to a limit. The text alone does not make such a photo
# strong, because uninformative captions have high scores by chance.
SHARE_OF_TEXT, MOST_OF_TEXT = 0.5, 4.0
APART = 0.7  # confidence at most where an adjective of the query describes another thing: encoders confuse them too


def confidence(text: Scores, image: Scores, covered: Scores, *, seen: Flags, apart: Flags) -> Scores:
    """Return the probability, 0..1, that a person agrees. All arrays are (..., candidates).

    `text` and `image` are `fuse.evidence` of the vectors, `covered` is the share of the query's words that occur in the
    photo's texts. `seen` are the photos with an image vector: theirs must be as clear as the image space demands. `apart`
    are those where an adjective occurs apart from what it describes: a red shirt and a car are no red car.
    """
    both = np.asarray(image + SHARE_OF_TEXT * np.minimum(text, MOST_OF_TEXT), np.float32)
    by_vectors = np.where(seen, _interpolated(both, _BOTH), _interpolated(text, _TEXT))
    found = np.maximum(by_vectors, _interpolated(covered, _WORDS))
    return np.asarray(np.where(apart, np.minimum(found, APART), found), np.float32)


def levels(confidences: Scores) -> NDArray[np.int_]:
    """Return the strengths as indexes into STRENGTHS."""
    exact = confidences + 1e-6  # float32 rounds 0.8 down
    return (exact >= FAIR).astype(int) + (exact >= STRONG)


def _interpolated(values: Scores, points: tuple[tuple[float, float], ...]) -> Scores:
    at, found = zip(*points, strict=True)
    return np.asarray(np.interp(values, at, found), np.float32)
