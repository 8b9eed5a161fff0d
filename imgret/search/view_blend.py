"""One vector for all views of a photo, for the search in memory: its product with a query is the photo's score in its space.

`fuse.text_cosines` is linear in the vectors of the views, but for the note, and so is what is taken off for the hubness of
a photo, which does not depend on the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.search import fuse
from imgret.search.score_baseline import BANK, LEAST, Sample
from imgret.store.records import TEXT

Matrix = NDArray[np.float32]


class ViewBlend:
    """Blends the views of photos in one space. Notes do not count: the words of a note, and the passage, find its photo."""

    def __init__(self, sample: Sample, weights: fuse.Weights = fuse.WEIGHTS) -> None:
        """`sample` is of the space."""
        self.sample, self._weights = sample, weights
        self._is_text = sample.space.stage == TEXT
        self.views: Sequence[str] = (
            (fuse.PASSAGE, fuse.CAPTIONS, fuse.COUNTS) if self._is_text else (sample.space.lead,)
        )
        self._means = {view: self._mean(view) for view in self.views}

    def blended(self, vectors: Mapping[str, Matrix]) -> tuple[Matrix, Matrix]:
        """Return one vector for each photo, (photos, dimension), and what is subtracted from its products, (photos,).

        `vectors` has (photos, dimension) for each of `views`, NaN where a photo lacks one.
        """
        if not self._is_text:
            lead = vectors[self.views[0]]
            return lead, self._hubness(self.views[0], lead)
        passage, captions, counts = (vectors[view] for view in self.views)
        weights, means = self._weights, self._means
        # Each view counts by how far it exceeds its mean in the library, as each cosine does by its baseline. The mean of
        # the passage is added to all: that is a constant, and keeps the vectors where the codes expect them.
        rows, offsets = passage.copy(), self._hubness(fuse.PASSAGE, passage).copy()
        captioned = np.flatnonzero(~np.isnan(captions[:, 0]))
        own, share = captions[captioned], np.float32(1 - weights.passage)
        rows[captioned] += share * (own - passage[captioned] + (means[fuse.PASSAGE] - means[fuse.CAPTIONS]))
        offsets[captioned] += share * (self._hubness(fuse.CAPTIONS, own) - offsets[captioned])
        counted = captioned[~np.isnan(counts[captioned, 0])]
        rows[counted] += np.float32(weights.counts) * (counts[counted] - means[fuse.COUNTS])
        return rows, offsets

    @property
    def recipe(self) -> str:
        """How vectors are blended, in words that change when that changes."""
        weights = self._weights
        numbers = (weights.passage, weights.counts, weights.hubness, BANK, LEAST)
        return " ".join(map(str, ("1", *self.views, *numbers)))

    def _hubness(self, view: str, rows: Matrix) -> Matrix:
        return np.broadcast_to(np.asarray(self.sample.hubness(view, rows), np.float32), len(rows))

    def _mean(self, view: str) -> Matrix:
        rows = self.sample.vectors[view]
        there = rows[~np.isnan(rows[:, 0])] if len(rows) else rows
        if len(there) < LEAST and view != self.views[0]:  # as in `score_baseline.grounds`
            return self._mean(self.views[0])
        return np.asarray(there.mean(axis=0) if len(there) else np.zeros(rows.shape[1]), np.float32)
