"""Codes of vectors in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.store.coded_rows import LEADING, longer
from imgret.store.fine_codes import CodedVectors
from imgret.store.packed_codes import PackedCodes

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


class HeldCodes:
    """Implements `imgret.store.coded_rows.CodeStore`. Rows never change once they were added."""

    def __init__(self, coded: CodedVectors | None = None, size: int = 0) -> None:
        """Take over arrays whose first `size` rows are codes, or begin without rows."""
        self._packed = PackedCodes(LEADING)
        self._size = size
        self._coded = coded or CodedVectors(np.zeros((0, 0), np.int8), np.zeros((0, 0), np.uint8))
        self._packed.extend(self._coded.wide[:size])

    @property
    def nbytes(self) -> int:
        """See `CodeStore`."""
        return self._coded.wide.nbytes + self._coded.rest.nbytes + self._packed.nbytes

    def __len__(self) -> int:
        return self._size

    def all(self) -> CodedVectors:
        """Return all rows, not copied."""
        return CodedVectors(self._coded.wide[: self._size], self._coded.rest[: self._size])

    def reserve(self, capacity: int) -> None:
        """See `CodeStore`."""
        wide, rest = self._coded
        self._coded = CodedVectors(
            longer(wide, capacity, wide.shape[1]), longer(rest, capacity, rest.shape[1])
        )

    def add(self, coded: CodedVectors) -> None:
        """See `CodeStore`."""
        needed = self._size + len(coded.wide)
        if needed > len(self._coded.wide):
            self.reserve(max(needed, len(self._coded.wide) * 5 // 4))
        if not self._size:
            capacity = len(self._coded.wide)
            self._coded = CodedVectors(
                np.zeros((capacity, coded.wide.shape[1]), np.int8),
                np.zeros((capacity, coded.rest.shape[1]), np.uint8),
            )
        place = slice(self._size, self._size + len(coded.wide))
        self._coded.wide[place], self._coded.rest[place] = coded
        self._size += len(coded.wide)
        self._packed.extend(self._coded.wide[: self._size])

    def rough(self, weights: Matrix) -> NDArray[Any]:
        """See `CodeStore`. The weights are rounded to int8."""
        return self._packed.scores(self._coded.wide[: self._size], weights)

    def wide(self, positions: Ids | None) -> NDArray[np.int8]:
        """See `CodeStore`."""
        wide = self._coded.wide
        return wide[: self._size] if positions is None else wide.take(positions, axis=0)

    def rest(self, positions: Ids) -> NDArray[np.uint8]:
        """See `CodeStore`."""
        return self._coded.rest.take(positions, axis=0)
