"""The leading vectors of a space in memory, for a process that serves many searches: a daemon, a batch.

Holds what the nearest-neighbour table holds, as numpy arrays: float32 in a small library, int8 codes in a large one. New
vectors are taken in as they are committed, whoever wrote them. Filters become masks beside the vectors,
so they act inside the search and not after it.

Any thread may ask, each with a connection of its own. What outgrows a memory (a new projection, another
embedder) is loaded into a new one, while this one goes on answering.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from imgret.store.clauses import Clause
from imgret.store.codes import product
from imgret.store.interface import Store
from imgret.store.records import Space

LEADING = 32  # components that choose which rows are compared in full
SHARE = 40  # one row in so many is compared in full, and never fewer than FULL
FULL = 4096
SAMPLE = 65_536  # scores that tell where to cut
MASKS = 16  # filters remembered

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float32]


class Passing(NamedTuple):
    """The living contents that pass a question's filters."""

    places: Mask  # those that have a vector here, by place
    others: Ids  # those that have none (yet): only words find them


class InMemoryIndex:
    """The nearest contents in one space and the filters of one index, from memory."""

    def __init__(self, store: Store, space: Space) -> None:
        """Load everything: seconds for a million photos."""
        self.space = space
        self._lock = threading.RLock()
        self._versions: WeakKeyDictionary[Store, tuple[int, int]] = WeakKeyDictionary()  # of each connection
        self._generation = 0  # how often something that was written was taken in
        self._masks: OrderedDict[tuple[Clause, ...], Passing] = OrderedDict()
        self._size = 0
        self._ids = np.zeros(0, np.int64)  # place -> content
        self._places = np.zeros(0, np.int32)  # content -> place, -1 for none
        self._rows: NDArray[Any] = np.zeros((0, 0), np.float32)  # float32, or int8 codes
        self._leading = np.zeros((0, 0), np.int8)  # their first components, apart to be read fast
        self._norms = np.zeros(0, np.float32)  # of codes, see `Projection.norms`
        with store.reading():
            self._active = True  # the space is still the one of its stage that is searched
            self._projection = store.nearest.projection(space)
            self._versions[store] = store.change_token()
            self._last = store.vectors.last_id()
            expected = store.nearest.count(space)
            for ids, vectors in store.nearest.leading_vectors(space):
                self._take(ids, vectors, expected)

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes held, without the masks."""
        arrays = (self._ids, self._places, self._rows, self._leading, self._norms)
        return sum(array.nbytes for array in arrays)

    def refresh(self, store: Store) -> bool:
        """Take in what others committed since. False when it can answer no more: load a new one.

        Costs microseconds when nothing was written.
        """
        with store.reading(), self._lock:
            version = store.change_token()
            if version != self._versions.get(store):
                self._versions[store] = version
                self._generation += 1
                self._masks.clear()
                active = store.vectors.active_space(self.space.stage)
                self._active = active is not None and active.id == self.space.id
                self._take_new(store)
        return self._active and self._size > 0

    def outgrown(self, store: Store) -> bool:
        """Is `nearest` made otherwise by now? This one goes on answering until a new one is loaded."""
        now = store.nearest.projection(self.space)
        mine = self._projection
        return (now and now.learned_from) != (mine and mine.learned_from)

    def mask(
        self, store: Store, clauses: Sequence[Clause], matching: Callable[[], Ids] | None = None
    ) -> Passing:
        """Which living contents pass the clauses. Remembered until something is written.

        `matching` gives their ids where others need them too; None: they are looked up here.
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
            places = self._place(passing)
            mask[places[places >= 0]] = True
            made = Passing(mask, passing[places < 0])
            if generation == self._generation:  # else it may be of the time before what came meanwhile
                self._masks[key] = made
            while len(self._masks) > MASKS:
                self._masks.popitem(last=False)
        return made

    def passes(self, passing: Passing, ids: Ids) -> Mask:
        """Which of these contents pass."""
        mask, others = passing
        places = self._place(ids)
        places[places >= len(mask)] = -1  # its vector came after the mask was made
        placed = places >= 0
        if len(mask):
            placed &= mask[np.maximum(places, 0)]
        return np.asarray(placed | np.isin(ids, others), bool)

    def nearest(self, query: Matrix, count: int, mask: Mask | None = None) -> Ids:
        """The `count` contents nearest to a unit vector (dimension,), nearest first, as `nearest.search`."""
        with self._lock:
            if mask is not None and len(mask) < self._size:
                mask = np.concatenate([mask, np.zeros(self._size - len(mask), bool)])
            return self._nearest(query, count, mask)

    def _nearest(self, query: Matrix, count: int, mask: Mask | None) -> Ids:
        places = None if mask is None else np.flatnonzero(mask)
        if self._projection is None:
            return self._best(query, count, places)
        weights = self._projection.weights(query)
        total = self._size if places is None else len(places)
        full = max(FULL, total // SHARE, 8 * count)
        if total > 2 * full:
            rough = self._rough(weights[:LEADING], mask, places)
            stride = max(1, len(rough) // SAMPLE)
            sample = rough[::stride]
            bound = np.partition(sample, -(full // stride) - 1)[-(full // stride) - 1]
            chosen = np.flatnonzero(rough > bound)
            places = chosen if places is None or len(rough) == self._size else places[chosen]
        return self._best(weights, count, places)

    def _rough(self, weights: Matrix, mask: Mask | None, places: Ids | None) -> Matrix:
        """Scores by the leading components: of `places` alone where these are few, else of all."""
        if places is not None and len(places) * 4 < self._size:
            return product(self._leading[places], weights) - self._norms[places]
        rough = product(self._leading[: self._size], weights) - self._norms[: self._size]
        if mask is not None:
            rough[~mask] = -np.inf
        return rough

    def _best(self, weights: Matrix, count: int, places: Ids | None) -> Ids:
        rows = self._rows[: self._size] if places is None else self._rows[places]
        scores = product(rows, weights)
        if self._projection is not None:
            scores -= self._norms[: self._size] if places is None else self._norms[places]
        whole = count >= len(scores)
        top = np.arange(len(scores)) if whole else np.argpartition(-scores, count)[:count]
        top = top[np.argsort(-scores[top], kind="stable")]
        return self._ids[top if places is None else places[top]]

    def _place(self, ids: Ids) -> NDArray[np.int32]:
        places = np.full(len(ids), -1, np.int32)
        known = ids < len(self._places)
        places[known] = self._places[ids[known]]
        return places

    def _take_new(self, store: Store) -> None:
        last = store.vectors.last_id()
        ids, vectors = store.nearest.leading_since(self.space, self._last)
        self._last = last
        if len(ids):
            self._take(ids, vectors, 0)

    def _take(self, ids: Ids, vectors: Matrix, expected: int) -> None:
        """Put vectors of distinct contents in: over their old ones, or at the end."""
        rows = vectors if self._projection is None else self._projection.encode(vectors)
        self._reserve(max(expected, self._size + len(ids)), rows, int(ids.max()))
        places = self._place(ids)
        new = places < 0
        places[new] = self._size + np.arange(int(new.sum()))
        self._ids[places] = ids
        self._places[ids] = places
        self._rows[places] = rows
        if self._projection is not None:
            self._leading[places] = rows[:, :LEADING]
            self._norms[places] = self._projection.norms(rows.astype(np.int8, copy=False))
        self._size += int(new.sum())

    def _reserve(self, size: int, like: NDArray[Any], last: int) -> None:
        """Room for `size` rows like these, and for contents up to the id `last`."""
        if size > len(self._ids):
            room = max(size, len(self._ids) * 5 // 4)
            self._ids = _longer(self._ids, room)
            self._rows = _longer(self._rows.astype(like.dtype, copy=False), room, like.shape[1])
            if self._projection is not None:
                self._leading = _longer(self._leading, room, min(LEADING, like.shape[1]))
                self._norms = _longer(self._norms, room)
        if last >= len(self._places):
            places = np.full(max(last + 1, len(self._places) * 5 // 4, size + 1), -1, np.int32)
            places[: len(self._places)] = self._places
            self._places = places


def _longer(array: NDArray[Any], rows: int, *columns: int) -> NDArray[Any]:
    longer = np.zeros((rows, *columns), array.dtype)
    if len(array):
        longer[: len(array)] = array
    return longer
