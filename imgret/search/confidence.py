"""How likely a person agrees that a photo answers a query: confidence and strength. Pure numpy.

The curves were fitted on people's judgements of captions with photos (three people a pair, the majority counts), pooled
over three kinds of captions, pairs weighted by how rarely such a pair was judged; those of the image on CLIP vectors,
where every photo but one counted as wrong. ARCHITECTURE.md has the figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]

FAIR, STRONG = (
    0.4,
    0.8,
)  # confidence from which on; on average over all such hits, 1 in 2 and 9 in 10 are right
# (evidence, confidence), between which is interpolated.
_TEXT = ((0, 0.0), (0.25, 0.05), (0.6, 0.15), (1.25, 0.25), (1.75, 0.4), (2.25, 0.6), (3.5, 0.8), (4.5, 0.95))
_IMAGE = ((0, 0.0), (1.0, 0.02), (1.75, 0.1), (2.75, 0.3), (3.25, 0.4), (4.7, 0.8), (5.5, 0.93), (7, 0.98))
_WORDS = ((0, 0.0), (0.4, 0.1), (0.6, 0.3), (0.75, 0.45), (0.95, 0.6), (0.99, 0.85), (1, 0.9))  # (share, ...)
AGREEMENT = 0.3  # of the weaker evidence, added to the stronger one
APART = 2.5  # evidence of a text in which an adjective of the query describes another thing, at most
APART_CONFIDENCE = 0.7  # ... and the confidence of its words


def confidence(text: Scores, image: Scores, covered: Scores, *, seen: Flags, apart: Flags) -> Scores:
    """Return the probability, 0..1, that a person agrees. All arrays are (..., candidates).

    `text` and `image` are `fuse.evidence` of the vectors, `covered` is the share of the query's words that occur in the
    photo's texts. `seen` are the photos with an image vector: theirs must be as clear as the image space demands. `apart`
    are those where an adjective occurs apart from what it describes: a red shirt and a car are no red car.
    """
    text = np.asarray(np.where(apart, np.minimum(text, APART), text), np.float32)
    both = np.asarray(np.maximum(text, image) + AGREEMENT * np.minimum(text, image), np.float32)
    by_vectors = np.where(seen, _interpolated(both, _IMAGE), _interpolated(text, _TEXT))
    by_words = _interpolated(covered, _WORDS)
    by_words = np.asarray(np.where(apart, np.minimum(by_words, APART_CONFIDENCE), by_words), np.float32)
    return np.asarray(np.maximum(by_vectors, by_words), np.float32)


def levels(confidences: Scores) -> NDArray[np.int_]:
    """Return the strengths as indexes into STRENGTHS."""
    exact = confidences + 1e-6  # float32 rounds 0.8 down
    return (exact >= FAIR).astype(int) + (exact >= STRONG)


def _interpolated(values: Scores, points: tuple[tuple[float, float], ...]) -> Scores:
    at, found = zip(*points, strict=True)
    return np.asarray(np.interp(values, at, found), np.float32)
