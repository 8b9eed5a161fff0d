"""The vectors of a space in memory, for a process that runs many searches: the daemon, a batch.

Contains a float32 vector for each photo in a small library: that of the leading view. In a large library, it contains
codes of one vector in which all views of a photo count (`Blend`), because a photo may be near by another view than the
leading one.

The codes may come from a file (`SavedRows`). Newly committed vectors of any process are added. Filters are masks over
the vectors, so they apply during the search and not after it.

Any thread may search, each with its own store connection. If the projection or the embedder changes, a new index is
loaded while this one is still searched.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from imgret.store import codes
from imgret.store.coded_rows import CodedRows, FloatRows, Rows, longer
from imgret.store.filter_masks import Mask, passes
from imgret.store.fine_codes import FineCodes
from imgret.store.held_codes import HeldCodes
from imgret.store.interface import Store
from imgret.store.records import Space

DEAD = 4  # one row in DEAD may belong to a vector that was replaced

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


class Blend(Protocol):
    """How the vectors of a photo's views become one vector, whose product with a query is about the photo's score."""

    @property
    def views(self) -> Sequence[str]:
        """The views that count, the leading one first."""
        ...

    def blended(self, vectors: Mapping[str, Matrix]) -> tuple[Matrix, Matrix]:
        """Return vectors (photos, dimension), and offsets (photos,) that are subtracted from every product.

        `vectors` has (photos, dimension) for each view, NaN where a photo lacks it.
        """
        ...


class SavedRows(NamedTuple):
    """Codes that were saved earlier, of vectors of the same space."""

    ids: Ids  # contents, ascending, the first `size`
    size: int
    rows: CodedRows
    last: int  # the codes are of vectors up to this one
    learned_from: int  # the projection of the table then


class InMemoryIndex:
    """Searches one space for nearest contents, and applies filters, in memory."""

    def __init__(
        self, store: Store, space: Space, blend: Blend | None = None, saved: SavedRows | None = None
    ) -> None:
        """Load the vectors of the space. Takes half a minute for a million photos. Without `blend`, the leading view counts.

        With `saved`, which were made with the same `blend`, only later vectors are loaded.
        """
        self.space = space
        self._blend = blend
        self._lock = threading.RLock()
        # Change token of each connection.
        self._versions: WeakKeyDictionary[Store, tuple[int, int]] = WeakKeyDictionary()
        self._learned_from: WeakKeyDictionary[Store, int | None] = WeakKeyDictionary()  # the table then
        self._size = 0
        self._ids = np.zeros(0, np.int64)  # position -> content
        self._positions = np.zeros(0, np.int32)  # content -> position, or -1
        self._rows: Rows = FloatRows()
        self._dead = 0  # rows of vectors that were replaced; their ids are -1
        with store.reading():
            self._active = True  # whether this is still the active space of its stage
            self._table = store.nearest.projection(space)
            self._versions[store] = store.change_token()
            if saved is not None:
                self._take(saved)
                self._add_new(store)
                return
            if self._table is not None:
                self._rows = CodedRows(self._learned(store, self._table.learned_from), HeldCodes())
            self._last = store.vectors.last_id()
            expected = store.nearest.count(space)
            for ids, vectors in store.nearest.leading_vectors(space):
                self._add(store, ids, vectors, expected)

    def __len__(self) -> int:
        return self._size - self._dead

    @property
    def rows(self) -> int:
        """How many rows there are, with those of vectors that were replaced."""
        return self._size

    @property
    def nbytes(self) -> int:
        """Size in bytes, without the masks."""
        return self._ids.nbytes + self._positions.nbytes + self._rows.nbytes

    @property
    def is_coded(self) -> bool:
        """Whether scores are those of all views, without the vectors' hubness; otherwise of the leading view."""
        return self._table is not None

    def coded(self) -> SavedRows | None:
        """Return the codes as they are now, to save them; None if there are whole vectors. Their ids are -1 if they are dead."""
        with self._lock:
            if self._table is None or not isinstance(self._rows, CodedRows):
                return None
            ids = self._ids[: self._size].copy()
            return SavedRows(ids, self._size, self._rows, self._last, self._table.learned_from)

    def drop_removed(self, store: Store) -> int:
        """Drop contents whose vectors were removed while a file had them. Return their number. Takes no time if there are none."""
        with store.reading(), self._lock:
            self._add_new(store)
            if len(self) == store.nearest.count(self.space):
                return 0
            ids = self._ids[: self._size]
            removed = np.flatnonzero((ids >= 0) & ~np.isin(ids, store.nearest.contents(self.space)))
            self._positions[ids[removed]] = -1
            self._ids[removed] = -1
            self._dead += len(removed)
            return len(removed)

    def refresh(self, store: Store) -> bool:
        """Add newly committed vectors. Return False if this index must be replaced by a new one.

        Takes microseconds if nothing was written.
        """
        with store.reading(), self._lock:
            version = store.change_token()
            if version != self._versions.get(store):
                self._versions[store] = version
                self._learned_from.pop(store, None)
                active = store.vectors.active_space(self.space.stage)
                self._active = active is not None and active.id == self.space.id
                self._add_new(store)
        return self._active and self._size > 0

    def is_outdated(self, store: Store) -> bool:
        """Return whether the table `nearest` has another projection now, or many vectors were replaced.

        This index can be used until a new one is loaded.
        """
        with self._lock:
            if store not in self._learned_from:
                table = store.nearest.projection(self.space)
                self._learned_from[store] = table and table.learned_from
            mine = self._table
            return self._learned_from[store] != (mine and mine.learned_from) or self._dead * DEAD > self._size

    def nearest(self, query: Matrix, count: int, mask: Mask | None = None, *, fine: bool = True) -> Ids:
        """Return the `count` contents nearest to a unit vector (dimension,), nearest first, like `nearest.search`.

        `mask` has those that pass the filters of a search. Without `fine`, those with the highest scores, by fewer
        components: for callers that compare them again.
        """
        with self._lock:
            ids = self._ids[: self._size]
            positions = None if mask is None else np.flatnonzero(passes(mask, ids))
            return ids[self._rows.nearest(query, count, positions, ids, fine=fine)]

    def scores(self, query: Matrix, ids: Ids, *, fine: bool) -> Matrix:
        """Return the scores of contents for a unit vector (dimension,), about, and but for a constant; NaN without a vector."""
        found = np.full(len(ids), np.nan, np.float32)
        with self._lock:
            positions = self._positions_of(ids)
            known = positions >= 0
            found[known] = self._rows.scores(query, positions[known].astype(np.int64), fine=fine)
        return found

    def _take(self, saved: SavedRows) -> None:
        self._rows, self._last = saved.rows, saved.last
        self._ids, self._size = saved.ids, saved.size
        if self._size:
            ids = saved.ids[: saved.size]
            self._positions = np.full(int(ids[-1]) + 1, -1, np.int32)
            self._positions[ids] = np.arange(saved.size, dtype=np.int32)

    def _positions_of(self, ids: Ids) -> NDArray[np.int32]:
        positions = np.full(len(ids), -1, np.int32)
        known = ids < len(self._positions)
        positions[known] = self._positions[ids[known]]
        return positions

    def _add_new(self, store: Store) -> None:
        last = store.vectors.last_id()
        ids, vectors = store.nearest.leading_since(self.space, self._last)
        self._last = max(self._last, last)  # the transaction of the caller may be older than what is here
        if len(ids):
            self._add(store, ids, vectors, 0)

    def _add(self, store: Store, ids: Ids, vectors: Matrix, expected: int) -> None:
        """Append the vectors of distinct contents. The rows of their old vectors are dead: packed rows cannot change."""
        self._reserve(max(expected, self._size + len(ids)), int(ids.max()))
        old = self._positions_of(ids)
        self._ids[old[old >= 0]] = -1
        self._dead += int((old >= 0).sum())
        new = self._size + np.arange(len(ids))
        self._ids[new] = ids
        self._positions[ids] = new
        self._rows.add(*self._blended(store, ids, vectors))
        self._size += len(ids)

    def _blended(self, store: Store, ids: Ids, leading: Matrix) -> tuple[Matrix, Matrix]:
        if self._blend is None or not self.is_coded:
            return leading, np.zeros(len(leading), np.float32)
        others = self._blend.views[1:]
        views = store.vectors.of(self.space, ids, others) if others else {}
        return self._blend.blended({self.space.lead: leading, **views})

    def _learned(self, store: Store, photos: int) -> FineCodes:
        """Learn the codes from a sample of the photos."""
        ids = store.vectors.evenly_spread(self.space, codes.SAMPLE)
        leading = store.vectors.of(self.space, ids, (self.space.lead,))[self.space.lead]
        there = ~np.isnan(leading[:, 0])
        return FineCodes.learned(*self._blended(store, ids[there], leading[there]), photos)

    def _reserve(self, size: int, last: int) -> None:
        """Allocate space for `size` rows, and for contents up to the id `last`."""
        if size > len(self._ids):
            capacity = max(size, len(self._ids) * 5 // 4)
            self._ids = longer(self._ids, capacity)
            self._rows.reserve(capacity)
        if last >= len(self._positions):
            positions = np.full(max(last + 1, len(self._positions) * 5 // 4, size + 1), -1, np.int32)
            positions[: len(self._positions)] = self._positions
            self._positions = positions
