"""Codes of all components of a vector, for searches in memory: a byte for each wide component, half a byte for the rest.

The components from the 256th on have a sixth of the variance of an image encoder's vectors. Without them, the best
twenty of two spaces together are among the best 240 in nine of ten cases; with half a byte for each, among the best 40.

Each row may have an offset beside its vector: what is subtracted from its products with every query.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from imgret.store import codes
from imgret.store.packed_codes import exact_product

WIDE = 256  # components in bytes, the offset included
STEP = 0.335  # standard deviations: the best step of 16 levels for a normal distribution (Max, 1960)

Matrix = NDArray[np.float32]


class CodedVectors(NamedTuple):
    """Codes of some vectors."""

    wide: NDArray[np.int8]  # (rows, WIDE or fewer): the offset, then the widest components
    # (rows, half the other components): two in a byte, of the first and the second half
    rest: NDArray[np.uint8]


class Weights(NamedTuple):
    """What the codes are multiplied by for a query."""

    wide: Matrix  # (components of `wide`,)
    rest: Matrix  # (2 * columns of `rest`,)


class Conversion(NamedTuple):
    """The numbers that codes are made with."""

    projection: codes.Projection  # to as many components as the vectors have
    steps: Matrix  # (components in half a byte,): the width of a level of each
    middle: float  # of the offsets
    offset_step: float


class FineCodes:
    """The conversion from vectors with offsets to codes."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self._projection, self._steps = conversion.projection, conversion.steps
        self._middle, self._offset_step = np.float32(conversion.middle), np.float32(conversion.offset_step)
        # A query and its direction, which one search needs repeatedly.
        self._newest: tuple[bytes, Matrix] | None = None

    @classmethod
    def learned(cls, sample: Matrix, offsets: Matrix, library: int) -> Self:
        """Learn from `sample` (rows, dimension) with `offsets` (rows,), taken from a library of `library` photos."""
        projection = codes.learn(sample, library, sample.shape[1])
        rest = _coordinates(projection, sample)[:, WIDE - 1 :]
        steps = np.maximum(rest.std(axis=0) * np.float32(STEP), np.float32(1e-9))
        middle = np.float32(np.median(offsets))
        offset_step = np.float32(np.abs(offsets - middle).max() / 127)
        return cls(Conversion(projection, steps, float(middle), float(offset_step)))

    def encode(self, vectors: Matrix, offsets: Matrix) -> CodedVectors:
        """Convert vectors (rows, dimension) with their offsets (rows,)."""
        coordinates = _coordinates(self._projection, vectors)
        wide = np.empty((len(vectors), min(WIDE, coordinates.shape[1] + 1)), np.float32)
        wide[:, 0] = (offsets - self._middle) / (self._offset_step or 1)
        wide[:, 1:] = coordinates[:, : WIDE - 1] * np.float32(self._projection.scale)
        levels = np.clip(np.rint(coordinates[:, WIDE - 1 :] / self._steps), -8, 7) + 8
        if levels.shape[1] % 2:
            levels = np.hstack([levels, np.full((len(levels), 1), 8)])
        half = levels.shape[1] // 2
        rest = levels.astype(np.uint8)
        return CodedVectors(
            np.clip(np.rint(wide), -127, 127).astype(np.int8), rest[:, :half] | rest[:, half:] << 4
        )

    def weights(self, query: Matrix, *, corrected: bool) -> Weights:
        """Return the weights of a query (dimension,); the offsets count if `corrected`."""
        direction = self._direction(query)
        wide = np.empty(min(WIDE, len(direction) + 1), np.float32)
        wide[0] = -self._offset_step if corrected else 0
        wide[1:] = direction[: WIDE - 1] / np.float32(self._projection.scale)
        rest = direction[WIDE - 1 :] * self._steps
        return Weights(wide, np.append(rest, np.zeros(len(rest) % 2, np.float32)))

    def _direction(self, query: Matrix) -> Matrix:
        key, newest = query.tobytes(), self._newest
        if newest is None or newest[0] != key:
            newest = self._newest = key, np.asarray(query @ self._projection.basis, np.float32)
        return newest[1]


def _coordinates(projection: codes.Projection, vectors: Matrix) -> Matrix:
    return np.asarray((vectors - projection.mean) @ projection.basis, np.float32)


def rest_scores(rows: NDArray[np.uint8], weights: Matrix) -> Matrix:
    """Return the products of half bytes (rows, columns) with their weights (2 * columns,): (rows,)."""
    half = rows.shape[1]
    low = exact_product((rows & 15).view(np.int8), weights[:half])
    high = exact_product((rows >> 4).view(np.int8), weights[half:])
    return np.asarray(low + high - 8 * weights.sum(), np.float32)
