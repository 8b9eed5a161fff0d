"""Compare perceptual hashes (`decode.perceptual`) of many photos at once, in any of the eight orientations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgret.decode.perceptual import COLOUR_BYTES, DETAIL_BYTES, DETAIL_PLACES, FLAT, SIGNATURE_BYTES
from imgret.store.records import Looks

Signatures = NDArray[np.int8]  # (photos, 64)
Details = NDArray[np.uint8]  # (photos, 24)
Colours = NDArray[np.int8]  # (photos, 2)
Orientations = NDArray[np.int64]  # (photos,), 0 to 7: places in the order of `perceptual.orientations`
Floats = NDArray[np.float32]
Energies = NDArray[np.int64]

# Two photos show the same picture if the cosine of their signatures is at least COPY and their details agree. The
# figures are from `python -m benchmarks.copies`: 112 photos, their copies, and parts of different photos.
COPY = 0.88  # the lowest of a copy without 2 % at each side is 0.888; 1 of 501,499 unrelated pairs has more
COARSE = 0.95  # without a detail, which an older version did not compute
MOST_BITS = 48  # of 192 that differ: at most 45 in copies, 64 and more in unrelated photos
# Pages of text and skies have little but one composition: their copies must agree more closely.
PLAIN = 14_000  # sum of squares of a signature; 19 of 20 photos have more, no page of text has
MOST_BITS_PLAIN = 28  # 27 at most if 2 % are missing at one side; 41 and more in pages of different texts
# The colours of 112 photos, and of their copies with another white balance (red and blue by 15 %), differ by at most 28
# degrees if both are as strong as this.
STRONG_COLOUR = 20  # of 127
SAME_HUE = 0.819  # the cosine of 35 degrees
MOST_CONTRAST = 1.8  # between the sums of squares of two signatures: 1.46 at most if a copy is darker by 0.7

ROWS = 512  # photos compared at a time: BLAS starts no threads for so few, which a busy machine waits for


def _turns(side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each frequency of a square of `side` frequencies comes from in each orientation, and its sign: (8, side²)."""
    row, column = np.divmod(np.arange(side * side), side)
    sources, signs = [], []
    for source in (row * side + column, column * side + row):
        for across in (1, -1):
            for down in (1, -1):
                sources.append(source)
                signs.append(across**column * down**row)
    return np.array(sources), np.array(signs)


_SOURCES, _SIGNS = _turns(8)
_SIGNS_8 = _SIGNS.astype(np.int8)
_PLACES = np.array([row * 16 + column for row, column in DETAIL_PLACES])


def _detail_turns() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """As `_turns`, for the bits of a detail; a bit that is 1 in the second array changes: (8, 192)."""
    sources, signs = _turns(16)
    bit_at = np.zeros(256, np.int64)
    bit_at[_PLACES] = np.arange(len(_PLACES))
    return bit_at[sources[:, _PLACES]], (signs[:, _PLACES] < 0).astype(np.uint8)


_BIT_SOURCES, _BIT_FLIPS = _detail_turns()


def packed(look: bytes) -> Looks:
    """One perceptual hash; that of an older version has no detail."""
    detail = look[SIGNATURE_BYTES:]
    fine = np.frombuffer(detail or bytes(DETAIL_BYTES + COLOUR_BYTES), np.uint8)[None]
    return Looks(
        np.zeros(1, np.int64),
        np.frombuffer(look, np.int8, SIGNATURE_BYTES)[None],
        np.ascontiguousarray(fine[:, :DETAIL_BYTES]),
        fine[:, DETAIL_BYTES:].view(np.int8),
        np.array([bool(detail)]),
    )


def chosen(found: Looks, rows: NDArray[np.int64]) -> Looks:
    """These rows."""
    return Looks(
        found.contents[rows],
        found.signatures[rows],
        found.details[rows],
        found.colours[rows],
        found.has_detail[rows],
    )


def turned(signatures: Signatures, orientation: Orientations | int) -> Signatures:
    """The signatures of the turned photos; one orientation for each or for all."""
    if isinstance(orientation, int):
        return np.asarray(signatures[:, _SOURCES[orientation]] * _SIGNS_8[orientation], np.int8)
    found = np.take_along_axis(signatures, _SOURCES[orientation], axis=1) * _SIGNS_8[orientation]
    return np.asarray(found, np.int8)


def turned_details(details: Details, orientation: Orientations | int) -> Details:
    """The details of the turned photos."""
    bits = np.unpackbits(details, axis=1)
    if isinstance(orientation, int):
        bits = bits[:, _BIT_SOURCES[orientation]]
    else:
        bits = np.take_along_axis(bits, _BIT_SOURCES[orientation], axis=1)
    return np.packbits(bits ^ _BIT_FLIPS[orientation], axis=1)


def energies(signatures: Signatures) -> Energies:
    """The sums of squares. Below `perceptual.FLAT`, a picture has no structure to compare."""
    wide = signatures.astype(np.int32)
    return np.asarray(np.vecdot(wide, wide), np.int64)


def unit(signatures: Signatures) -> Floats:
    """The signatures as vectors of unit norm; flat ones as zeros."""
    rows = signatures.astype(np.float32)
    squares = np.vecdot(rows, rows)[:, None]
    return np.where(squares >= FLAT, rows / np.sqrt(np.maximum(squares, 1)), np.float32(0))


def differing_bits(one: Details, other: Details) -> NDArray[np.int64]:
    """How many bits differ, row by row."""
    differ = np.ascontiguousarray(one ^ other).view(np.uint64)
    return np.asarray(np.bitwise_count(differ).sum(axis=-1), np.int64)


def same_contrast(one: Energies, other: Energies) -> NDArray[np.bool_]:
    """Whether pairs of sums of squares can be those of one picture."""
    return np.asarray(np.maximum(one, other) <= MOST_CONTRAST * np.minimum(one, other), np.bool_)


def same_hue(one: Colours, other: Colours) -> NDArray[np.bool_]:
    """Whether pairs of colours can be those of one picture: always, if one of them is weak or grey."""
    ours, theirs = one.astype(np.float32), other.astype(np.float32)
    strength = np.sqrt(np.vecdot(ours, ours)), np.sqrt(np.vecdot(theirs, theirs))
    weak = np.minimum(*strength) < STRONG_COLOUR
    return np.asarray(weak | (np.vecdot(ours, theirs) >= SAME_HUE * strength[0] * strength[1]), np.bool_)


def confirmed(
    cosine: Floats,
    energy: Energies,
    bits: NDArray[np.int64],
    detailed: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which pairs of photos, whose cosine is high, show the same picture.

    `energy` is the smaller of a pair, `bits` the number that differ, `detailed` whether both have a detail. Their colours
    and contrasts are compared by `same_hue` and `same_contrast`.
    """
    plain = energy < PLAIN
    agree = bits <= np.where(plain, MOST_BITS_PLAIN, MOST_BITS)
    return np.where(detailed, agree, (cosine >= COARSE) & ~plain)


def alike(
    one: Looks, many: Looks, least: float = COPY, *, lenient: bool = False
) -> tuple[NDArray[np.int64], Floats]:
    """Which of many photos show the same picture as the only one in `one`: their rows, and the cosines, in order.

    `lenient`: where a detail is missing, the signatures decide; for the copies of one photo, errors are rare even so.
    """
    rows_found, cosines_found = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    energy = energies(one.signatures)[0]
    sides = unit(np.concatenate([turned(one.signatures, side) for side in range(8)]))
    details = np.concatenate([turned_details(one.details, side) for side in range(8)])
    for start in range(0, len(many.contents) if energy >= FLAT else 0, ROWS):
        vectors = many.signatures[start : start + ROWS].astype(np.float32)
        squares = np.vecdot(vectors, vectors)
        cosines = (sides @ vectors.T) / np.sqrt(np.maximum(squares, FLAT))
        rows = np.flatnonzero((cosines.max(axis=0) >= least) & (squares >= FLAT))
        if not len(rows):
            continue
        side = cosines[:, rows].argmax(axis=0)
        found, rows = cosines[side, rows], rows + start
        same = confirmed(
            found,
            np.minimum(energy, squares[rows - start].astype(np.int64)),
            differing_bits(details[side], many.details[rows]),
            one.has_detail & many.has_detail[rows],
        )
        if lenient:
            same |= ~(one.has_detail & many.has_detail[rows])
        same[same] = same_hue(one.colours, many.colours[rows[same]])
        same &= same_contrast(energy, squares[rows - start].astype(np.int64))
        rows_found.append(rows[same])
        cosines_found.append(found[same])
    return np.concatenate(rows_found), np.concatenate(cosines_found)


def turned_weights(weights: Floats, orientation: int) -> Floats:
    """Weights whose product with a photo is that of `weights` with the photo as turned."""
    there = np.empty_like(weights)
    there[_SOURCES[orientation]] = weights * _SIGNS[orientation]
    return there
