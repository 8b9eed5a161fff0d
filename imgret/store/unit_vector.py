"""The check of each vector before it is saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

NORM_TOLERANCE = 0.02  # bf16 embedders drift by less; anything further off is not a unit vector


def unit(vector: NDArray[np.float32], content: int, view: str) -> NDArray[np.float32]:
    """Return a vector as (dimension,) of unit norm. Raises ValueError for one that cannot be searched."""
    flat = np.asarray(vector, np.float32).reshape(-1)
    norm = float(np.linalg.norm(flat))
    if not np.isfinite(norm):
        raise ValueError(f"the {view} vector of content {content} holds NaN or infinity")
    if abs(norm - 1) > NORM_TOLERANCE:
        raise ValueError(f"the {view} vector of content {content} has norm {norm:.3f} instead of 1")
    return flat / np.float32(norm)


def units(
    vectors: Mapping[str, NDArray[np.float32]], content: int, model: str, dimension: int | None
) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of a content by view, as by `unit`. All must have `dimension`; None: that of the first one.

    Raises ValueError as `unit`, and for a vector of another length.
    """
    found = {view: unit(vector, content, view) for view, vector in vectors.items()}
    for view, vector in found.items():
        dimension = dimension or len(vector)
        if len(vector) != dimension:
            raise ValueError(
                f"the {view} vector of content {content} has {len(vector)} dimensions; those of {model} have {dimension}"
            )
    return found
