"""A sample of the library, which the scores of a query are measured against.

A cosine alone means little: it depends on the encoder and on the query. So the score of a photo is compared with the
same query's scores over a sample of this very library.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imgret.search import fuse, image_doubt
from imgret.stages import registry
from imgret.store.interface import Store
from imgret.store.records import TEXT, Space

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]
Scores = NDArray[np.float32]

SIZE = 256  # photos
BANK = 64  # of them, the neighbours for `fuse.hubness`
LEAST = 8  # vectors of a view that have a middle of their own
# The cosines of a query in words with images are closer together than those of images with each other: half as far
# apart for CLIP. That of texts with texts is the same.
ACROSS_MODALITIES = 0.4


class Sample:
    """The vectors of some photos, spread evenly over the library, and the distances between them."""

    def __init__(self, space: Space, contents: Ids, views: Mapping[str, Matrix], size: int) -> None:
        """`views` are the vectors of `contents`, (photos, dimension), NaN where one lacks the view.

        `size` is the number of photos in the space.
        """
        self.space = space
        self.contents = contents
        self.size = size
        self._views = views
        lead = views[space.lead]
        across = lead[:: max(1, len(lead) // 32)] @ lead.T if len(lead) else np.zeros((0, 0), np.float32)
        self.spread = fuse.spread(across) if across.size else fuse.LEAST_SPREAD  # of cosines between photos

    @property
    def vectors(self) -> Mapping[str, Matrix]:
        """The vectors of the sample by view, (photos, dimension)."""
        return self._views

    @property
    def view_names(self) -> tuple[str, ...]:
        """The views that are scored, the leading one first."""
        return tuple(self._views)

    @property
    def least(self) -> float:
        """The spread of a query that means something in this library, at least."""
        return self.spread if self.space.stage == TEXT else self.spread * ACROSS_MODALITIES

    @cached_property
    def structure(self) -> float:
        """How far the leading vectors are from noise (see `image_doubt.structure`)."""
        return image_doubt.structure(self._views[self.space.lead])

    @cached_property
    def distinctness(self) -> float:
        """How much the captions differ, or the leading texts where there are none (see `image_doubt.distinctness`)."""
        lead = self._views[self.space.lead]
        captions = self._views.get(fuse.CAPTIONS, lead)
        few = np.count_nonzero(~np.isnan(captions[:, 0])) < LEAST if len(captions) else True
        return image_doubt.distinctness(lead if few else captions)

    @cached_property
    def _banks(self) -> dict[str, Matrix]:
        found = {}
        for view in self.hub_views:
            rows = self._views[view]
            there = rows[~np.isnan(rows[:, 0])] if len(rows) else rows
            found[view] = there[np.linspace(0, len(there) - 1, min(BANK, len(there))).astype(int)]
        return found

    @property
    def hub_views(self) -> tuple[str, ...]:
        """The views whose hubness is taken off."""
        return (fuse.PASSAGE, fuse.CAPTIONS) if self.space.stage == TEXT else (self.space.lead,)

    def spread_of(self, vector: Matrix) -> float:
        """Return the spread of the cosines of a query (dimension,) in the leading view."""
        return float(fuse.baseline(self._views[self.space.lead] @ vector).spread[0])

    def hubness(self, view: str, rows: Matrix) -> Scores | float:
        """Return what is taken off the cosines of these rows (rows, dimension) of a view, (rows,)."""
        bank = self._banks.get(view)
        if bank is None or len(bank) < LEAST:
            return 0.0
        return np.asarray(np.float32(fuse.WEIGHTS.hubness) * fuse.hubness(rows, bank), np.float32)

    @cached_property
    def _hubness(self) -> dict[str, Scores | float]:
        return {view: self.hubness(view, rows) for view, rows in self._views.items()}

    def cosines(self, vector: Matrix, *, corrected: bool = True) -> dict[str, Scores]:
        """Return the cosines of a query (dimension,) with the sample by view, without the hubness if `corrected`."""
        return {
            view: np.asarray(rows @ vector - (self._hubness[view] if corrected else 0), np.float32)
            for view, rows in self._views.items()
        }


def sample(store: Store, space: Space) -> Sample:
    """Take a sample of a space; the same library gives the same one."""
    ids = store.vectors.evenly_spread(space, SIZE)
    size = len(ids) if len(ids) < SIZE else max(SIZE, store.words.document_count())
    return Sample(space, ids, store.vectors.of(space, ids, views_of(space)), size)


def views_of(space: Space) -> tuple[str, ...]:
    """The views of a space, the leading one first."""
    if space.stage == TEXT:
        return fuse.VIEWS
    stage = registry.find(space.stage)
    return (space.lead, *(view for view in (stage.views if stage else ()) if view != space.lead))


def grounds(cosines: Mapping[str, Scores], lead: str) -> dict[str, fuse.Baseline]:
    """Return the query's baseline in each view from its cosines with a sample; that of `lead` where a view is rare."""
    leading = fuse.baseline(cosines[lead])
    return {
        view: fuse.baseline(rows) if np.count_nonzero(~np.isnan(rows)) >= LEAST else leading
        for view, rows in cosines.items()
    }
