"""What is compared of copies beside their looks: quality, capture time, camera, and equal pixels.

The functions take the traits of all photos, and rows in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.decode.edit_detection import DAY
from imgret.decode.perceptual import SAME_IMAGE
from imgret.exclude import RAW_SUFFIXES
from imgret.store.clauses import Clause, Inside
from imgret.store.interface import Store
from imgret.store.records import NO_TIME, Traits

Rows = NDArray[np.int64]

BURST_GAP = 2  # seconds between two shots of a burst
BURST_COSINE = SAME_IMAGE  # of the signatures of two shots of a burst
LONGEST_BURST = 512  # shots; a longer one is several
# Of two copies of equal size and metadata, the better format: lossless, or as cameras write it.
FORMATS = {"TIFF": 2, "PNG": 2, "HEIF": 1, "AVIF": 1, "JPEG": 1, "MPO": 1, "JXL": 1}


class CopyTraits(NamedTuple):
    """What is compared of each photo, in the order of quality, the best first."""

    contents: Rows
    paths: NDArray[np.int64]  # at how many paths each is
    pixels: NDArray[np.uint8]  # (photos, 32): the BLAKE3 of the upright pixels; zeros before it was decoded
    taken_at: NDArray[np.int64]  # seconds since 1970; NO_TIME if not known
    subsecond: NDArray[np.float64]  # of `taken_at`; -1 if not known
    camera: NDArray[np.int64]  # equal for equal cameras; 0 if not known
    has_note: NDArray[np.bool_]


def by_quality(store: Store, folder: bytes | None) -> CopyTraits:
    """The traits of the living photos; with `folder`, absolute and resolved, of those in and below it.

    The best are raw files. Then the number of pixels counts, and then metadata (time, camera, place), notes, formats, bytes,
    and how long the index has known a photo.
    """
    inside = None if folder is None else store.filters.matching([Clause(Inside(folder))])
    kept: list[CopyTraits] = []
    keys: list[NDArray[np.int64]] = []
    for part in store.signatures.traits():
        rows = (
            np.arange(len(part.contents))
            if inside is None
            else np.flatnonzero(np.isin(part.contents, inside))
        )
        kept.append(CopyTraits(*(getattr(part, name)[rows] for name in CopyTraits._fields)))
        keys.append(_quality(part)[:, rows])
    if not kept:
        none = np.zeros(0, np.int64)
        pixels, subsecond = np.zeros((0, 32), np.uint8), np.zeros(0, np.float64)
        return CopyTraits(none, none, pixels, none, subsecond, none, none.astype(np.bool_))
    columns = [np.concatenate(column) for column in zip(*kept, strict=True)]
    order = np.lexsort(np.concatenate(keys, axis=1))
    return CopyTraits(*(column[order] for column in columns))


def _quality(part: Traits) -> NDArray[np.int64]:
    """Keys for `lexsort`, the most important last; a better photo has lower ones: (keys, photos)."""
    metadata = (part.taken_at != NO_TIME).astype(np.int64) + (part.camera != 0) + part.has_place
    formats = np.array([FORMATS.get(name, 0) for name in part.formats], np.int64)
    raw = np.array([name.rpartition(b".")[2].lower() in RAW_SUFFIXES for name in part.names], np.int64)
    columns = (part.size, formats, part.has_note.astype(np.int64), metadata, part.area, raw)
    return np.stack([part.contents, *(-column for column in columns)])


def compatible(traits: CopyTraits, one: Rows, other: Rows) -> NDArray[np.bool_]:
    """Whether pairs can be copies: cameras and capture times are equal where both are known (`edit_detection.same_shot`)."""
    camera, time, part = traits.camera, traits.taken_at, traits.subsecond
    cameras = (camera[one] == camera[other]) | (camera[one] == 0) | (camera[other] == 0)
    times = (time[one] == time[other]) | (time[one] == NO_TIME) | (time[other] == NO_TIME)
    undated = (time[one] == NO_TIME) | (time[other] == NO_TIME)
    parts = (part[one] == part[other]) | (part[one] < 0) | (part[other] < 0) | undated
    return np.asarray(cameras & times & parts, np.bool_)


def bursts(traits: CopyTraits, rows: Rows) -> Iterator[Rows]:
    """The places in `rows` of shots by one camera that follow each other within BURST_GAP seconds, ascending."""
    time, camera = traits.taken_at[rows], traits.camera[rows]
    dated = np.flatnonzero((camera != 0) & (time != NO_TIME) & (time % DAY != 0))
    dated = dated[np.lexsort((time[dated], camera[dated]))]
    apart = (np.diff(time[dated]) > BURST_GAP) | (np.diff(camera[dated]) != 0)
    for run in np.split(dated, np.flatnonzero(apart) + 1):
        for start in range(0, len(run), LONGEST_BURST):
            if len(run) - start > 1:
                yield np.sort(run[start : start + LONGEST_BURST])


def first_with_same_pixels(traits: CopyTraits) -> Rows:
    """For each row, the first row with its pixels."""
    decoded = np.flatnonzero(traits.pixels.any(axis=1))
    keys = np.ascontiguousarray(traits.pixels[decoded]).view(np.dtype((np.void, 32))).ravel()
    same = np.arange(len(traits.contents))
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    same[decoded] = decoded[first[inverse]]
    return same
