"""A sample of the library: what a question is measured against, and how strong an answer is.

A cosine alone says little: it depends on the embedder and on the question. So an answer's score is
compared with the same question's cosines over a sample of this very library.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.search import fuse
from imgret.store.interface import Store
from imgret.store.records import TEXT, Space

Matrix = NDArray[np.float32]
Scores = NDArray[np.float32]

SIZE = 256  # vectors of each view
# In spreads above the middle. Of questions about things that no photo shows, measured on photos with
# captions, the best answer is below FAIR three times of four, and as good as never above STRONG.
FAIR, STRONG = 3.0, 4.5
# Shares of the question's words that stand in the photo's own texts.
FAIR_WORDS, STRONG_WORDS = 0.6, 0.99


class Sample(Struct, frozen=True):
    """Some vectors of each view, spread evenly over the library, and how far these lie apart."""

    lead: str  # the leading view
    views: Mapping[str, Matrix]
    spread: float  # of the cosines between photos

    def grounds(self, query: Matrix) -> dict[str, fuse.Background]:
        """The question's background in each view; that of the leading view where a view is too rare."""
        lead = fuse.background(self.views[self.lead] @ query)
        return {
            view: fuse.background(matrix @ query) if len(matrix) >= 8 else lead
            for view, matrix in self.views.items()
        }


def sample(store: Store, space: Space) -> Sample:
    """Take a sample of a space; the same library gives the same one."""
    names = fuse.VIEWS if space.stage == TEXT else (space.lead,)
    found = store.vectors.of(space, store.vectors.evenly_spread(space, SIZE), names)
    views = {view: rows[~np.isnan(rows[:, 0])] for view, rows in found.items()}
    lead = views[space.lead]
    across = lead[:: max(1, len(lead) // 32)] @ lead.T
    return Sample(space.lead, views, fuse.spread(across) if across.size else fuse.LEAST_SPREAD)


def above(scores: Scores, ground: fuse.Background, spread: float) -> Scores:
    """Scores over the question's background in the leading view, in spreads of it or of the library."""
    return np.asarray((scores - ground.middle) / max(ground.spread, spread), np.float32)


def levels(above_: Scores) -> NDArray[np.int_]:
    """The strengths of scores that exceed the baseline by so many spreads, as indexes into STRENGTHS."""
    return (above_ >= FAIR).astype(int) + (above_ >= STRONG)


def capped(level: NDArray[np.int_], apart: NDArray[np.bool_]) -> NDArray[np.int_]:
    """At most fair where an adjective stands away from what it describes: a red shirt and a car are no red car."""
    return np.where(apart, np.minimum(level, 1), level)


def worded(covered: Scores) -> NDArray[np.int_]:
    """The strength that the words alone give, as a place in STRENGTHS."""
    return (covered >= FAIR_WORDS).astype(int) + (covered >= STRONG_WORDS)
