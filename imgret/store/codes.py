"""Compress vectors for large libraries to int8 codes of their first 128 principal components.

The components are computed from the library itself, because embeddings of photos occupy a narrow cone whose axes
depend on the photos. Truncating dimensions or keeping only signs loses too much recall (see ARCHITECTURE.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 128
SAMPLE = 20_000  # vectors are enough to compute the components

# Numbers converted to float at a time. They fit into the CPU cache, and BLAS starts no threads for so few: on a
# busy machine its threads would wait for each other ten times longer than they compute.
BLOCK = 65_536

Matrix = NDArray[np.float32]
Codes = NDArray[np.int8]


class Projection(NamedTuple):
    """The conversion from vectors to codes: `clip(round((vector - mean) @ basis * scale))`."""

    mean: Matrix  # (dimension,)
    basis: Matrix  # (dimension, components), orthonormal columns by descending variance
    scale: float
    learned_from: int  # number of photos in the library when the projection was computed

    def encode(self, vectors: Matrix) -> Codes:
        """Convert unit vectors (rows, dimension) to codes (rows, components)."""
        return np.clip(np.rint((vectors - self.mean) @ self.basis * self.scale), -127, 127).astype(np.int8)

    def weights(self, query: Matrix) -> Matrix:
        """Return weights (components,) for a query (dimension,): the score of codes is `codes @ weights - norms(codes)`.

        Up to constants and a factor, the score is the negative squared distance between query and vector within
        the components. The query is not rounded to a code, for better recall. The product alone would be worse:
        the projection shortens each vector by a different amount.
        """
        return (((query - self.mean) @ self.basis) / np.float32(self.scale)).astype(np.float32)

    def norms(self, codes: Codes) -> Matrix:
        """Return half the squared length of each code (rows,), on the scale of the cosines."""
        rows = codes.astype(np.float32)
        return np.asarray(np.einsum("ij,ij->i", rows, rows) / np.float32(2 * self.scale**2), np.float32)

    def scores(self, codes: Codes, weights: Matrix) -> Matrix:
        """Return `codes @ weights - norms(codes)` (rows,), for codes whose norms are not stored."""
        scores = np.empty(len(codes), np.float32)
        half = np.float32(1 / (2 * self.scale**2))
        for part, rows in _blocks(codes):
            scores[part] = rows @ weights - half * np.vecdot(rows, rows)
        return scores


def learn(sample: Matrix, library: int) -> Projection:
    """Compute a projection from `sample` (rows, dimension), taken from a library of `library` photos."""
    mean = sample.mean(axis=0)
    centred = sample - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    basis = np.ascontiguousarray(axes[:, ::-1][:, :DIMENSIONS], dtype=np.float32)
    widest = float(np.abs(centred @ basis).max(initial=0.0)) or 1.0
    return Projection(mean.astype(np.float32), basis, 127 / widest, library)


def product(rows: Codes | Matrix, weights: Matrix) -> Matrix:
    """Return `rows @ weights` as float32, in blocks converted to float: numpy has no fast product of int8."""
    if rows.dtype == np.float32:
        return np.asarray(rows @ weights, np.float32)
    scores = np.empty(len(rows), np.float32)
    for part, block in _blocks(rows):
        np.dot(block, weights, out=scores[part])
    return scores


def _blocks(codes: NDArray[Any]) -> Iterator[tuple[slice, Matrix]]:
    """Yield the slice of each block and its rows as floats, in a buffer that the next block overwrites."""
    step = BLOCK // codes.shape[1]
    block = np.empty((min(step, len(codes)), codes.shape[1]), np.float32)
    for start in range(0, len(codes), step):
        part = slice(start, min(start + step, len(codes)))
        np.copyto(block[: part.stop - start], codes[part])
        yield part, block[: part.stop - start]
