"""Group photos around the best of them, from pairs of similar photos."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from imgret.search import looks
from imgret.search.near_pairs import ENOUGH, Compatible, Pairs
from imgret.store.records import Looks


class Stars:
    """Divides photos into groups around their best one."""

    def __init__(self, found: Looks, least: float, compatible: Compatible) -> None:
        self._looks, self._least, self._compatible = found, least, compatible
        self._crowded: dict[int, None] = {}  # leaders of photos that have more pairs than are known

    def joins(self, pairs: Pairs) -> Iterator[tuple[int, int, float]]:
        """(a photo, the leader that it joins, their similarity)."""
        count = len(self._looks.contents)
        leads = np.ones(count, np.bool_)
        starts = np.flatnonzero(np.diff(pairs.worse, prepend=-1))
        bounds = [*starts.tolist(), len(pairs.worse)]
        for start, end in pairwise(bounds):
            photo = int(pairs.worse[start])
            better, similar = pairs.better[start:end], pairs.similarity[start:end]
            places = np.flatnonzero(leads[better])
            joined: tuple[int, float] | None = None
            if len(places):
                best = places[int(similar[places].argmax())]
                joined = int(better[best]), float(similar[best])
            elif end - start >= ENOUGH:
                joined = self._crowded_leader(photo)
            if joined is not None:
                leads[photo] = False
                yield photo, *joined
            if end - start >= ENOUGH:
                self._crowded[photo if joined is None else joined[0]] = None

    def _crowded_leader(self, photo: int) -> tuple[int, float] | None:
        leaders = np.array(list(self._crowded), np.int64)
        leaders = leaders[self._compatible(leaders, np.full(len(leaders), photo))]
        rows, cosines = looks.alike(
            looks.chosen(self._looks, np.array([photo])), looks.chosen(self._looks, leaders), self._least
        )
        if not len(rows):
            return None
        best = int(cosines.argmax())
        return int(leaders[rows[best]]), float(cosines[best])
