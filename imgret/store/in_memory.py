"""The leading vectors of a space in memory, for a process that runs many searches: the daemon, a batch.

Contains float32 in a small library, int8 codes in a large one. The codes are compared in two steps: a rough score of
all of them by their leading components (`packed_codes`), then the best of these in full.

Newly committed vectors of any process are added. Filters are masks over the vectors, so they apply during the search
and not after it.

Any thread may search, each with its own store connection. If the projection or the embedder changes, a new index is
loaded while this one is still searched.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from imgret.store import codes
from imgret.store.clauses import Clause
from imgret.store.interface import Store
from imgret.store.packed_codes import PackedCodes
from imgret.store.records import Space

COMPONENTS = (
    256  # of the codes; those of the table on the disk have fewer, because all of them are read for a search
)
LEADING = 64  # components of the rough scores, which select the rows to compare in full
SHARE = 50  # one row in SHARE is compared in full, but at least FULL rows
FULL = 8192
FEW = 8  # up to one row in FEW that passes a filter, only these get rough scores
DEAD = 4  # one row in DEAD may belong to a vector that was replaced
SAMPLE = 65_536  # rough scores from which the threshold is estimated
SPREAD = 1024  # rows from which the distribution of a query's cosines is estimated
MASKS = 16  # filters cached

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float32]


class Passing(NamedTuple):
    """The present contents that pass the filters of a query."""

    positions: Mask  # of contents with a vector in this index, by position
    others: Ids  # ids of contents without a vector (yet): only the words index finds them


class InMemoryIndex:
    """Searches one space for nearest contents, and applies filters, in memory."""

    def __init__(self, store: Store, space: Space) -> None:
        """Load all leading vectors of the space. Takes seconds for a million photos."""
        self.space = space
        self._lock = threading.RLock()
        self._versions: WeakKeyDictionary[Store, tuple[int, int]] = (
            WeakKeyDictionary()
        )  # change token of each connection
        self._generation = 0  # incremented when the index was written
        self._masks: OrderedDict[tuple[Clause, ...], Passing] = OrderedDict()
        self._size = 0
        self._ids = np.zeros(0, np.int64)  # position -> content
        self._positions = np.zeros(0, np.int32)  # content -> position, or -1
        self._rows: NDArray[Any] = np.zeros((0, 0), np.float32)  # float32, or int8 codes
        self._dead = 0  # rows of vectors that were replaced; their ids are -1
        self._projection: codes.Projection | None = None
        self._packed: PackedCodes | None = None
        with store.reading():
            self._active = True  # whether this is still the active space of its stage
            self._table = store.nearest.projection(space)
            if self._table is not None:
                self._projection = _learned(store, space, self._table.learned_from)
                self._packed = PackedCodes(LEADING)
            self._versions[store] = store.change_token()
            self._last = store.vectors.last_id()
            expected = store.nearest.count(space)
            for ids, vectors in store.nearest.leading_vectors(space):
                self._add(ids, vectors, expected)

    def __len__(self) -> int:
        return self._size - self._dead

    @property
    def nbytes(self) -> int:
        """Size in bytes, without the masks."""
        arrays = (self._ids, self._positions, self._rows)
        return sum(array.nbytes for array in arrays) + (self._packed.nbytes if self._packed else 0)

    def refresh(self, store: Store) -> bool:
        """Add newly committed vectors. Return False if this index must be replaced by a new one.

        Takes microseconds if nothing was written.
        """
        with store.reading(), self._lock:
            version = store.change_token()
            if version != self._versions.get(store):
                self._versions[store] = version
                self._generation += 1
                self._masks.clear()
                active = store.vectors.active_space(self.space.stage)
                self._active = active is not None and active.id == self.space.id
                self._add_new(store)
        return self._active and self._size > 0

    def is_outdated(self, store: Store) -> bool:
        """Return whether the table `nearest` has another projection now, or many vectors were replaced.

        This index can be used until a new one is loaded.
        """
        now = store.nearest.projection(self.space)
        mine = self._table
        return (now and now.learned_from) != (mine and mine.learned_from) or self._dead * DEAD > self._size

    def mask(
        self, store: Store, clauses: Sequence[Clause], matching: Callable[[], Ids] | None = None
    ) -> Passing:
        """Return the present contents that pass the clauses. Cached until the index is written.

        `matching` returns their ids, if the caller has computed them already; None: they are read from the store.
        """
        key = tuple(clauses)
        with self._lock:
            known = self._masks.get(key)
            generation = self._generation
            if known is not None:
                self._masks.move_to_end(key)
                return known
        passing = matching() if matching is not None else store.filters.matching(clauses)
        with self._lock:
            mask = np.zeros(self._size, bool)
            positions = self._positions_of(passing)
            mask[positions[positions >= 0]] = True
            made = Passing(mask, passing[positions < 0])
            if generation == self._generation:  # otherwise the mask may be older than the newest vectors
                self._masks[key] = made
            while len(self._masks) > MASKS:
                self._masks.popitem(last=False)
        return made

    def passes(self, passing: Passing, ids: Ids) -> Mask:
        """Return which of these contents pass, as bool (ids,)."""
        mask, others = passing
        positions = self._positions_of(ids)
        positions[positions >= len(mask)] = -1  # its vector was added after the mask was computed
        placed = positions >= 0
        if len(mask):
            placed &= mask[np.maximum(positions, 0)]
        return np.asarray(placed | np.isin(ids, others), bool)

    def nearest(self, query: Matrix, count: int, mask: Mask | None = None) -> Ids:
        """Return the `count` contents nearest to a unit vector (dimension,), nearest first, like `nearest.search`."""
        with self._lock:
            if mask is not None and len(mask) < self._size:
                mask = np.concatenate([mask, np.zeros(self._size - len(mask), bool)])
            return self._nearest(query, count, mask)

    def standard_scores(self, query: Matrix, ids: Ids) -> Matrix:
        """Return about how many spreads the cosines with these contents exceed the median of the library.

        `query` is a unit vector (dimension,). NaN for contents without a vector.
        """
        weights = query if self._projection is None else self._projection.weights(query)
        with self._lock:
            positions = self._positions_of(ids)
            known = positions >= 0
            rows = self._rows[positions[known]]
            sample = self._rows[: self._size : max(1, self._size // SPREAD)]
        scores = codes.product(sample, weights)
        low, middle, high = np.percentile(scores, [16, 50, 84])
        found = np.full(len(ids), np.nan, np.float32)
        found[known] = (codes.product(rows, weights) - np.float32(middle)) / np.float32(
            max(high - low, 1e-6) / 2
        )
        return found

    def _nearest(self, query: Matrix, count: int, mask: Mask | None) -> Ids:
        positions = None if mask is None else np.flatnonzero(mask)
        if self._projection is None:
            return self._best(query, count, positions)
        weights = self._projection.weights(query)
        total = self._size if positions is None else len(positions)
        full = max(FULL, total // SHARE, 4 * count)
        if total > 2 * full:
            rough = self._rough(weights[:LEADING], positions)
            sample = rough[:: max(1, total // SAMPLE)]
            place = len(sample) - 1 - full * len(sample) // total
            chosen = np.flatnonzero(rough > np.partition(sample, place)[place])
            positions = chosen if positions is None else positions[chosen]
        return self._best(weights, count, positions)

    def _rough(self, weights: Matrix, positions: Ids | None) -> NDArray[Any]:
        """Return scores by the leading components, of all rows or of those at `positions`."""
        if positions is not None and len(positions) * FEW < self._size:
            return codes.product(self._rows[positions, :LEADING], weights)
        assert self._packed is not None
        rough = self._packed.scores(self._rows[: self._size], weights)
        return rough if positions is None else rough[positions]

    def _best(self, weights: Matrix, count: int, positions: Ids | None) -> Ids:
        rows = self._rows[: self._size] if positions is None else self._rows[positions]
        ids = self._ids[: self._size] if positions is None else self._ids[positions]
        scores = codes.product(rows, weights)
        if self._dead:
            scores[ids < 0] = -np.inf
        count = min(count, len(scores))
        top = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(count)
        top = top[np.argsort(-scores[top], kind="stable")]
        return ids[top][ids[top] >= 0]

    def _positions_of(self, ids: Ids) -> NDArray[np.int32]:
        positions = np.full(len(ids), -1, np.int32)
        known = ids < len(self._positions)
        positions[known] = self._positions[ids[known]]
        return positions

    def _add_new(self, store: Store) -> None:
        last = store.vectors.last_id()
        ids, vectors = store.nearest.leading_since(self.space, self._last)
        self._last = last
        if len(ids):
            self._add(ids, vectors, 0)

    def _add(self, ids: Ids, vectors: Matrix, expected: int) -> None:
        """Append vectors of distinct contents. The rows of their old vectors are dead: packed rows cannot change."""
        rows = vectors if self._projection is None else self._projection.encode(vectors)
        self._reserve(max(expected, self._size + len(ids)), rows, int(ids.max()))
        old = self._positions_of(ids)
        self._ids[old[old >= 0]] = -1
        self._dead += int((old >= 0).sum())
        new = self._size + np.arange(len(ids))
        self._ids[new] = ids
        self._positions[ids] = new
        self._rows[new] = rows
        self._size += len(ids)
        if self._packed is not None:
            self._packed.extend(self._rows[: self._size])

    def _reserve(self, size: int, like: NDArray[Any], last: int) -> None:
        """Allocate space for `size` rows like these, and for contents up to the id `last`."""
        if size > len(self._ids):
            capacity = max(size, len(self._ids) * 5 // 4)
            self._ids = _longer(self._ids, capacity)
            self._rows = _longer(self._rows.astype(like.dtype, copy=False), capacity, like.shape[1])
        if last >= len(self._positions):
            positions = np.full(max(last + 1, len(self._positions) * 5 // 4, size + 1), -1, np.int32)
            positions[: len(self._positions)] = self._positions
            self._positions = positions


def _learned(store: Store, space: Space, photos: int) -> codes.Projection:
    """Compute the projection from a sample of the leading vectors of a space."""
    spread = store.vectors.evenly_spread(space, codes.SAMPLE)
    sample = store.vectors.of(space, spread, (space.lead,))[space.lead]
    return codes.learn(sample[~np.isnan(sample[:, 0])], photos, COMPONENTS)


def _longer(array: NDArray[Any], rows: int, *columns: int) -> NDArray[Any]:
    longer = np.zeros((rows, *columns), array.dtype)
    if len(array):
        longer[: len(array)] = array
    return longer
