"""Rows of the traits of copies, as every engine reads them, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imgret.store.records import Traits

SIGNATURE, DETAIL, COLOUR = 64, 24, 2  # bytes of a perceptual hash; the column `detail` also has the colour
PIXELS = 32  # bytes


def traits_of(rows: Sequence[Sequence[Any]]) -> Traits:
    """Return the rows of a query, in the order of the fields of Traits, with the subsecond as a text."""
    ids, paths, pixels, area, size, taken, subsecond, camera, place, note, formats, names = zip(
        *rows, strict=True
    )
    return Traits(
        np.array(ids, np.int64),
        np.array(paths, np.int64),
        np.frombuffer(b"".join(pixels), np.uint8).reshape(len(ids), PIXELS),
        np.array(area, np.int64),
        np.array(size, np.int64),
        np.array(taken, np.int64),
        np.array([-1.0 if text is None else float(f"0.{text or 0}") for text in subsecond], np.float64),
        np.array([hash(name) if name else 0 for name in camera], np.int64),
        np.array(place, np.bool_),
        np.array(note, np.bool_),
        list(formats),
        list(names),
    )
