"""Small codes for large libraries: the first 128 principal components of the vectors, as int8.

Learned from the library itself, because these vectors fill a narrow cone whose axes only the photos
tell. Truncating dimensions or keeping signs alone loses too much on them (see ARCHITECTURE.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 128
SAMPLE = 20_000  # vectors that are enough to learn from
ENOUGH = 500  # with fewer the axes are not robust

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


def learn(sample: Matrix, library: int) -> Projection:
    """The projection for vectors like those of `sample` (rows, dimension), out of `library` photos."""
    mean = sample.mean(axis=0)
    centred = sample - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    basis = np.ascontiguousarray(axes[:, ::-1][:, :DIMENSIONS], dtype=np.float32)
    widest = float(np.abs(centred @ basis).max(initial=0.0)) or 1.0
    return Projection(mean.astype(np.float32), basis, 127 / widest, library)
