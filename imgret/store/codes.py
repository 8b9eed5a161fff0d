"""Small codes for large libraries: the first 128 principal components of the vectors, as int8.

Learned from the library itself, because these vectors fill a narrow cone whose axes only the photos
tell. Truncating dimensions or keeping signs alone loses too much on them (see ARCHITECTURE.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 128
SAMPLE = 20_000  # vectors that are enough to learn from
ENOUGH = 500  # with fewer the axes are not robust

BLOCK = (
    65_536  # numbers turned to float at a time: they fit the cache, and BLAS starts no threads for so few,
)
# which on a busy machine would wait for each other ten times longer than they compute

Matrix = NDArray[np.float32]
Codes = NDArray[np.int8]


class Projection(NamedTuple):
    """How a vector becomes a code: `clip(round((vector - mean) @ basis * scale))`."""

    mean: Matrix  # (dimension,)
    basis: Matrix  # (dimension, components), orthonormal columns, the widest first
    scale: float
    learned_from: int  # photos in the library when it was learned

    def encode(self, vectors: Matrix) -> Codes:
        """Unit vectors (rows, dimension) -> codes (rows, components)."""
        return np.clip(np.rint((vectors - self.mean) @ self.basis * self.scale), -127, 127).astype(np.int8)

    def weights(self, query: Matrix) -> Matrix:
        """What ranks codes as a query (dimension,) ranks vectors: `codes @ weights - norms(codes)`.

        That is the squared distance between the two within the components, but for constants and a factor.
        The query itself is not rounded to a code, which keeps recall. A plain product would be worse: what
        unit vectors lose in one direction shows only in their length within the others.
        """
        return (((query - self.mean) @ self.basis) / np.float32(self.scale)).astype(np.float32)

    def norms(self, codes: Codes) -> Matrix:
        """Half the squared length of each code (rows,), on the scale of the cosines."""
        rows = codes.astype(np.float32)
        return np.asarray(np.einsum("ij,ij->i", rows, rows) / np.float32(2 * self.scale**2), np.float32)

    def scores(self, codes: Codes, weights: Matrix) -> Matrix:
        """`codes @ weights - norms(codes)` (rows,), for codes whose norms are not kept."""
        scores = np.empty(len(codes), np.float32)
        half = np.float32(1 / (2 * self.scale**2))
        for part, rows in _blocks(codes):
            scores[part] = rows @ weights - half * np.vecdot(rows, rows)
        return scores


def learn(sample: Matrix, library: int) -> Projection:
    """The projection for vectors like those of `sample` (rows, dimension), out of `library` photos."""
    mean = sample.mean(axis=0)
    centred = sample - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    basis = np.ascontiguousarray(axes[:, ::-1][:, :DIMENSIONS], dtype=np.float32)
    widest = float(np.abs(centred @ basis).max(initial=0.0)) or 1.0
    return Projection(mean.astype(np.float32), basis, 127 / widest, library)


def product(rows: Codes | Matrix, weights: Matrix) -> Matrix:
    """`rows @ weights` as float32. numpy has no fast product of int8, hence floats, a block at a time."""
    if rows.dtype == np.float32:
        return np.asarray(rows @ weights, np.float32)
    scores = np.empty(len(rows), np.float32)
    for part, block in _blocks(rows):
        np.dot(block, weights, out=scores[part])
    return scores


def _blocks(codes: NDArray[Any]) -> Iterator[tuple[slice, Matrix]]:
    """Where each block of the rows lies, and its rows as floats, which the next block overwrites."""
    step = BLOCK // codes.shape[1]
    block = np.empty((min(step, len(codes)), codes.shape[1]), np.float32)
    for start in range(0, len(codes), step):
        part = slice(start, min(start + step, len(codes)))
        np.copyto(block[: part.stop - start], codes[part])
        yield part, block[: part.stop - start]
