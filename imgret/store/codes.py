"""Compress vectors for large libraries to int8 codes: the direction of their mean, and principal components.

The components are computed from the library itself, because embeddings of photos occupy a narrow cone whose axes
depend on the photos. Truncating dimensions or keeping only signs loses too much recall (see ARCHITECTURE.md).

The mean is a component because a query's product with a vector is `query @ mean + query @ (vector - mean)`, and a
query may be far from the mean: the queries of a CLIP model are. Then small differences along the mean count more
than the lengths of what the components leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 128  # of the codes in a nearest-neighbour table
SAMPLE = 20_000  # vectors are enough to compute the components

# Numbers converted to float at a time. They fit into the CPU cache, and BLAS starts no threads for so few: on a
# busy machine its threads would wait for each other ten times longer than they compute.
BLOCK = 65_536

Matrix = NDArray[np.float32]
Codes = NDArray[np.int8]


class Projection(NamedTuple):
    """The conversion from vectors to codes: `clip(round((vector - mean) @ basis * scale))`."""

    mean: Matrix  # (dimension,)
    basis: Matrix  # (dimension, components), orthonormal columns: the mean's direction, then by descending variance
    scale: float
    learned_from: int  # number of photos in the library when the projection was computed

    def encode(self, vectors: Matrix) -> Codes:
        """Convert unit vectors (rows, dimension) to codes (rows, components)."""
        return np.clip(np.rint((vectors - self.mean) @ self.basis * self.scale), -127, 127).astype(np.int8)

    def weights(self, query: Matrix) -> Matrix:
        """Return weights (components,) for a query (dimension,): `codes @ weights` is the cosine, but for a constant.

        The query is not rounded to a code, for better recall.
        """
        return ((query @ self.basis) / np.float32(self.scale)).astype(np.float32)

    def contains_mean(self) -> bool:
        """Return whether the mean is a component. It was not in codes of older versions, which lose recall."""
        length = float(np.linalg.norm(self.mean))
        return bool(np.linalg.norm(self.mean @ self.basis) >= 0.99 * length)


def learn(sample: Matrix, library: int, components: int = DIMENSIONS) -> Projection:
    """Compute a projection from `sample` (rows, dimension), taken from a library of `library` photos."""
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    direction = mean / max(float(np.linalg.norm(mean)), 1e-12)
    centred = sample - mean
    rest = centred - np.outer(centred @ direction, direction)
    _, axes = np.linalg.eigh(rest.T @ rest)
    count = min(components, len(mean)) - 1
    basis = np.column_stack([direction, axes[:, ::-1][:, :count]])
    basis = np.ascontiguousarray(np.linalg.qr(basis)[0], dtype=np.float32)
    widest = float(np.abs(centred @ basis).max(initial=0.0)) or 1.0
    return Projection(mean, basis, 127 / widest, library)


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
    step = max(1, BLOCK // max(1, codes.shape[1]))
    block = np.empty((min(step, len(codes)), codes.shape[1]), np.float32)
    for start in range(0, len(codes), step):
        part = slice(start, min(start + step, len(codes)))
        np.copyto(block[: part.stop - start], codes[part])
        yield part, block[: part.stop - start]
