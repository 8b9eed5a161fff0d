"""Codes of vectors in a file, for one search in a process without a daemon: nothing is read but what it needs.

The leading components of all rows lie together, so they are read in one go; the wide components of one row in fifty,
and the others of a few hundred, are read one by one. Rows that a search has read once are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.store.coded_rows import LEADING
from imgret.store.codes_file import CodesFile
from imgret.store.fine_codes import CodedVectors
from imgret.store.held_codes import HeldCodes
from imgret.store.packed_codes import int8_product, rounded_weights

BLOCK = 32_768  # rows of leading components that are read at a time; they fit into the CPU cache
KEPT = 100_000  # rows that are kept

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


class FiledCodes:
    """Implements `imgret.store.coded_rows.CodeStore`. Rows that are added are in memory.

    Reading raises Unfit if the file was cut short meanwhile.
    """

    def __init__(self, file: CodesFile) -> None:
        """`file` has the matrices `leading`, `wide` and `rest`."""
        self._file = file
        self._size = file.shape("wide")[0]
        columns = file.shape("wide")[1], file.shape("rest")[1]
        self._added = HeldCodes(
            CodedVectors(np.zeros((0, columns[0]), np.int8), np.zeros((0, columns[1]), np.uint8))
        )
        self._known: list[
            tuple[Ids, NDArray[np.int8]]
        ] = []  # positions, ascending, and their wide components
        self._rough = np.zeros(0, np.int32)

    @property
    def nbytes(self) -> int:
        """See `CodeStore`."""
        return self._added.nbytes + sum(rows.nbytes for _, rows in self._known) + self._rough.nbytes

    def __len__(self) -> int:
        return self._size + len(self._added)

    def reserve(self, capacity: int) -> None:
        """See `CodeStore`. The few rows that are added need no space in advance."""

    def add(self, coded: CodedVectors) -> None:
        """See `CodeStore`."""
        self._added.add(coded)

    def rough(self, weights: Matrix) -> NDArray[Any]:
        """See `CodeStore`. The weights are rounded to int8."""
        if len(self._rough) < len(self):
            self._rough = np.zeros(len(self), np.int32)
        rounded = rounded_weights(weights)
        buffer = np.empty((BLOCK, min(LEADING, len(weights))), np.int8)
        for part, rows in self._file.parts("leading", buffer):
            self._rough[part] = int8_product(rows, rounded)
        if len(self._added):
            self._rough[self._size : len(self)] = self._added.rough(weights)
        return self._rough[: len(self)]

    def wide(self, positions: Ids | None) -> NDArray[np.int8]:
        """See `CodeStore`."""
        if positions is None:
            positions = np.arange(len(self))
        found = np.empty((len(positions), self._file.shape("wide")[1]), np.int8)
        missing = np.ones(len(positions), bool)
        for known, rows in self._known:
            place = np.searchsorted(known, positions)
            place[place == len(known)] = 0
            there = missing & (known[place] == positions)
            found[there] = rows[place[there]]
            missing &= ~there
        added = np.flatnonzero(missing & (positions >= self._size))
        found[added] = self._added.wide(positions[added] - self._size)
        missing[added] = False
        if missing.any():
            read = _distinct(positions[missing])
            rows = self._file.rows("wide", read)
            found[missing] = rows[np.searchsorted(read, positions[missing])]
            if sum(len(known) for known, _ in self._known) + len(read) > KEPT:
                self._known.clear()
            self._known.append((read, rows))
        return found

    def rest(self, positions: Ids) -> NDArray[np.uint8]:
        """See `CodeStore`."""
        found = np.empty((len(positions), self._file.shape("rest")[1]), np.uint8)
        added = positions >= self._size
        found[added] = self._added.rest(positions[added] - self._size)
        found[~added] = self._file.rows("rest", positions[~added])
        return found


def _distinct(positions: Ids) -> Ids:
    """Return positions in ascending order, each once."""
    return positions if (positions[1:] > positions[:-1]).all() else np.unique(positions)
