"""Rows of vectors in memory, and how they are compared with a query: float32 in a small library, codes in a large one.

Codes are compared in three steps, each of fewer rows and more components: all of them by their leading components with
SIMD (`packed_codes`), the best of these by their wide components, and the best of those by all (`fine_codes`).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imgret.store.fine_codes import CodedVectors, FineCodes, Weights, rest_scores
from imgret.store.packed_codes import exact_product

LEADING = 64  # components that all rows are compared by
SHARE = 50  # one row in SHARE is compared by its wide components, but at least WIDELY rows
WIDELY = 8192
FINELY = 4  # times the rows that are wanted are compared by all components
FEW = 8  # up to one row in FEW that passes a filter, only these are compared
SAMPLE = 65_536  # rough scores from which the threshold is estimated

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


class Rows(Protocol):
    """Vectors in the order in which they were added."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        ...

    def reserve(self, capacity: int) -> None:
        """Allocate space for this many rows."""
        ...

    def add(self, vectors: Matrix, offsets: Matrix) -> None:
        """Append vectors (rows, dimension) with offsets (rows,), for which space was reserved."""
        ...

    def nearest(self, query: Matrix, count: int, positions: Ids | None, ids: Ids, *, fine: bool) -> Ids:
        """Return the positions of the `count` rows with the highest scores, the highest first; among `positions`, if given.

        `ids` is -1 for rows that do not count. With `fine`, the query's cosine counts, as exactly as the codes
        allow; otherwise the score without the offset, by fewer components.
        """
        ...

    def scores(self, query: Matrix, positions: Ids, *, fine: bool) -> Matrix:
        """Return the cosines with some rows, less their offsets; a constant may be added to all."""
        ...


class FloatRows:
    """Whole vectors; offsets are left out, because all that is near enough is scored exactly."""

    def __init__(self) -> None:
        """There are no rows yet."""
        self._size = 0
        self._rows: Matrix = np.zeros((0, 0), np.float32)

    @property
    def nbytes(self) -> int:
        """See `Rows`."""
        return self._rows.nbytes

    def reserve(self, capacity: int) -> None:
        """See `Rows`."""
        self._rows = longer(self._rows, capacity, self._rows.shape[1])

    def add(self, vectors: Matrix, offsets: Matrix) -> None:  # noqa: ARG002
        """See `Rows`."""
        if self._rows.shape[1] != vectors.shape[1]:
            self._rows = np.zeros((len(self._rows), vectors.shape[1]), np.float32)
        self._rows[self._size : self._size + len(vectors)] = vectors
        self._size += len(vectors)

    def nearest(self, query: Matrix, count: int, positions: Ids | None, ids: Ids, *, fine: bool) -> Ids:  # noqa: ARG002
        """See `Rows`."""
        rows = self._rows[: self._size] if positions is None else self._rows[positions]
        return _best(rows @ query, count, positions, ids)

    def scores(self, query: Matrix, positions: Ids, *, fine: bool) -> Matrix:  # noqa: ARG002
        """See `Rows`."""
        return np.asarray(self._rows[positions] @ query, np.float32)


class CodeStore(Protocol):
    """Where the codes are: in memory (`held_codes`), or in a file (`filed_codes`)."""

    @property
    def nbytes(self) -> int:
        """Size in memory in bytes."""
        ...

    def __len__(self) -> int: ...

    def reserve(self, capacity: int) -> None:
        """Allocate space for this many rows."""
        ...

    def add(self, coded: CodedVectors) -> None:
        """Append codes, for which space was reserved."""
        ...

    def rough(self, weights: Matrix) -> NDArray[Any]:
        """Return the products of the leading components of all rows with weights (LEADING,), but for a factor: (rows,).

        The array is overwritten by the next call.
        """
        ...

    def wide(self, positions: Ids | None) -> NDArray[np.int8]:
        """Return the wide components of some rows, or of all: (rows, components)."""
        ...

    def rest(self, positions: Ids) -> NDArray[np.uint8]:
        """Return the other components of some rows, two in a byte: (rows, columns)."""
        ...


class CodedRows:
    """Codes of vectors with offsets."""

    def __init__(self, fine_codes: FineCodes, codes: CodeStore) -> None:
        """`fine_codes` were learned from the library, and `codes` were made with them."""
        self.fine_codes, self.codes = fine_codes, codes

    @property
    def nbytes(self) -> int:
        """See `Rows`."""
        return self.codes.nbytes

    def reserve(self, capacity: int) -> None:
        """See `Rows`."""
        self.codes.reserve(capacity)

    def add(self, vectors: Matrix, offsets: Matrix) -> None:
        """See `Rows`."""
        self.codes.add(self.fine_codes.encode(vectors, offsets))

    def nearest(self, query: Matrix, count: int, positions: Ids | None, ids: Ids, *, fine: bool) -> Ids:
        """See `Rows`."""
        weights = self.fine_codes.weights(query, corrected=not fine)
        total = len(self.codes) if positions is None else len(positions)
        # With `fine`, the caller searches one view, which the blended codes represent less exactly.
        widely = max(WIDELY, total // SHARE * (2 if fine else 1), 2 * count)
        if total > 2 * widely:
            rough = self._rough(weights.wide[:LEADING], positions)
            sample = rough[:: max(1, total // SAMPLE)]
            place = len(sample) - 1 - widely * len(sample) // total
            chosen = np.flatnonzero(rough > np.partition(sample, place)[place])
            positions = chosen if positions is None else positions[chosen]
        scores = exact_product(self.codes.wide(positions), weights.wide)
        if not fine:
            return _best(scores, count, positions, ids)
        positions = _best(scores, FINELY * count, positions, ids)
        return _best(self._scores(weights, positions), count, positions, ids)

    def scores(self, query: Matrix, positions: Ids, *, fine: bool) -> Matrix:
        """See `Rows`."""
        weights = self.fine_codes.weights(query, corrected=True)
        if fine:
            return self._scores(weights, positions)
        return exact_product(self.codes.wide(positions), weights.wide)

    def _scores(self, weights: Weights, positions: Ids) -> Matrix:
        wide = exact_product(self.codes.wide(positions), weights.wide)
        return wide + rest_scores(self.codes.rest(positions), weights.rest)

    def _rough(self, weights: Matrix, positions: Ids | None) -> NDArray[Any]:
        """Return scores by the leading components, of all rows or of those at `positions`."""
        if positions is not None and len(positions) * FEW < len(self.codes):
            return exact_product(self.codes.wide(positions)[:, :LEADING], weights)
        rough = self.codes.rough(weights)
        return rough if positions is None else rough.take(positions)


def with_space(rows: int) -> int:
    """Return a capacity with space for rows that may be added, so that the first of them does not copy all."""
    return rows + rows // 20 + 1024


def longer(array: NDArray[Any], rows: int, *columns: int) -> NDArray[Any]:
    """Return a copy of an array with space for `rows` rows."""
    extended = np.zeros((rows, *columns), array.dtype)
    extended[: len(array)] = array
    return extended


def _best(scores: Matrix, count: int, positions: Ids | None, ids: Ids) -> Ids:
    """Return the positions with the `count` highest scores, the highest first, without those whose id is -1."""
    top = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
    top = top[np.argsort(-scores[top], kind="stable")]
    found = top if positions is None else positions[top]
    return found[ids[found] >= 0]
