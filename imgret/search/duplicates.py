"""The photos of a library in groups of copies, the best copy first.

Photos with equal bytes or pixels are copies. Photos with similar perceptual hashes (`near_pairs`) are near-duplicates,
unless their capture times or cameras differ: then they are different shots of one scene, which are grouped as a burst
if they follow each other. In the order of quality, each photo joins the most similar photo that begins a group, or begins
one. So each photo of a group is similar to the best one, and a series that changes slowly is not one group.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.photo import Facts
from imgret.search import copy_traits, looks
from imgret.search.near_pairs import near_pairs
from imgret.search.stars import Stars
from imgret.store import paths
from imgret.store.interface import Store
from imgret.store.records import Looks

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

EXACT, SIMILAR, BURST = "exact", "similar", "burst"  # kinds of groups


class Copy(Struct, frozen=True):
    """A photo of a group."""

    path: bytes
    online: bool
    size: int  # bytes
    facts: Facts | None
    has_note: bool
    similarity: float  # to the best one: a cosine; 1 for equal pixels


class Group(Struct, frozen=True):
    """At least two photos."""

    kind: str  # EXACT, SIMILAR or BURST
    copies: tuple[Copy, ...]  # the best first
    is_one_content: bool = False  # the files are equal byte for byte


class Library:
    """What is compared of the living photos, read at one moment. The rows of its arrays are in the order of quality."""

    def __init__(self, store: Store, folder: bytes | None = None) -> None:
        """`folder`: only photos in it and below it, absolute and resolved. Reads about 250 bytes for each photo."""
        self._store = store
        self._folder = folder
        with store.reading():
            self._traits = copy_traits.by_quality(store, folder)
            found = [*store.signatures.all()]
        self._same = copy_traits.first_with_same_pixels(self._traits)
        self._looks, self._look_rows = _looks_in_order(found, self._traits.contents, self._same)

    @property
    def photos(self) -> int:
        """How many contents are compared."""
        return len(self._traits.contents)

    @property
    def undecoded(self) -> int:
        """How many of them are not decoded, yet or because they are damaged, so that only equal bytes are found."""
        return int((~self._traits.pixels.any(axis=1)).sum())

    @property
    def coarse(self) -> int:
        """How many have a hash of an older version, without a detail."""
        return int((~self._looks.has_detail).sum())

    def groups(
        self, *, exact: bool = False, bursts: bool = False, least: float = looks.COPY
    ) -> Iterator[Group]:
        """The groups, those with the oldest photos in the index first; photos that were not decoded come last.

        `exact`: only equal pixels. `bursts`: also shots of one scene by one camera within seconds. `least`: the lowest
        similarity of near-duplicates.
        """
        leader, similarity, kinds = (
            self._same.copy(),
            np.ones(self.photos, np.float32),
            np.zeros(self.photos, np.int8),
        )
        if not exact:
            self._join_near(leader, similarity, kinds, least)
        if bursts:
            self._join_bursts(leader, similarity, kinds)
        order = np.argsort(leader, kind="stable")
        sizes = np.bincount(leader, minlength=self.photos)
        starts = np.cumsum(sizes) - sizes
        several = (sizes > 1) | ((sizes == 1) & (self._traits.paths > 1))
        leaders = np.flatnonzero(several)
        undecoded = ~self._traits.pixels[leaders].any(axis=1)
        for first in leaders[np.lexsort((self._traits.contents[leaders], undecoded))].tolist():
            rows = order[starts[first] : starts[first] + sizes[first]]
            kind = (EXACT, SIMILAR, BURST)[int(kinds[rows].max())]
            if group := self._group(kind, rows, similarity):
                yield group

    def _join_near(self, leader: Rows, similarity: Scores, kinds: NDArray[np.int8], least: float) -> None:
        """Let near-duplicates, and all with their pixels, join the best of them."""
        rows = self._look_rows

        def compatible(better: Rows, worse: Rows) -> NDArray[np.bool_]:
            return copy_traits.compatible(self._traits, rows[better], rows[worse])

        pairs = near_pairs(self._looks, least, compatible)
        stars = Stars(self._looks, least, compatible)
        for joining, joined, similar in stars.joins(pairs):
            row = rows[joining]
            leader[row], similarity[row], kinds[row] = rows[joined], similar, 1
        _spread(self._same, leader, similarity, kinds)

    def _join_bursts(self, leader: Rows, similarity: Scores, kinds: NDArray[np.int8]) -> None:
        before = leader.copy()
        rows = self._look_rows
        leading = np.flatnonzero(before[rows] == rows)  # the others go with the one that they are copies of
        for burst in copy_traits.bursts(self._traits, rows[leading]):
            cell = leading[burst]
            vectors = looks.unit(self._looks.signatures[cell])
            cosines = vectors @ vectors.T
            free = np.ones(len(cell), np.bool_)
            for first in range(len(cell)):
                if free[first]:
                    members = np.flatnonzero(free & (cosines[first] >= copy_traits.BURST_COSINE))
                    free[members] = False
                    for other in members[members > first].tolist():
                        row = rows[cell[other]]
                        leader[row], kinds[row] = rows[cell[first]], 2
                        similarity[row] = cosines[first, other]
        _spread(before, leader, similarity, kinds)

    def _group(self, kind: str, rows: Rows, similarity: Scores) -> Group | None:
        """The paths of these contents as a group; None if fewer than two are there."""
        copies: list[Copy] = []
        for row in rows.tolist():
            content = int(self._traits.contents[row])
            facts, note = self._store.contents.facts(content), bool(self._traits.has_note[row])
            for photo in self._store.photos.paths(content):
                if self._folder is None or paths.relative(self._folder, photo.path) is not None:
                    size = photo.file_stat.size
                    copies.append(Copy(photo.path, photo.online, size, facts, note, float(similarity[row])))
        return Group(kind, tuple(copies), len(rows) == 1) if len(copies) > 1 else None


def _spread(before: Rows, leader: Rows, similarity: Scores, kinds: NDArray[np.int8]) -> None:
    """Let what was led by a photo that now follows another one follow that one as well."""
    moved = np.flatnonzero((before != np.arange(len(before))) & (leader[before] != before))
    to = before[moved]
    leader[moved] = leader[to]
    similarity[moved] = np.minimum(similarity[moved], similarity[to])
    kinds[moved] = np.maximum(kinds[moved], kinds[to])


def _looks_in_order(found: list[Looks], contents: Rows, same: Rows) -> tuple[Looks, Rows]:
    """The hashes of the first rows with their pixels, in the order of the rows, and those rows."""
    bytes_, signed = np.zeros((0, 24), np.uint8), np.zeros((0, 64), np.int8)
    empty = Looks(np.zeros(0, np.int64), signed, bytes_, signed[:, :2], np.zeros(0, np.bool_))
    all_ = Looks(*(np.concatenate(column) for column in zip(*[empty, *found], strict=True)))
    order = np.argsort(contents)
    _, there, places = np.intersect1d(all_.contents, contents[order], assume_unique=True, return_indices=True)
    rows = order[places]
    first = np.flatnonzero(same[rows] == rows)
    first = first[np.argsort(rows[first])]
    return looks.chosen(all_, there[first]), rows[first]
