"""A perceptual hash of an image, robust to re-encoding, resizing, rotation by right angles and mirroring.

A hash (`look`) has three parts. The *signature*, 8 x 8 coarse frequencies, finds candidates: its cosine survives crops and
changes of contrast. The *detail*, the signs of 192 finer frequencies, confirms them: two beaches or two pages of text
have similar signatures and different details. The *colour* distinguishes a red thing from a blue one of the same shape. A
hash is never the only evidence that two files are equal.

Pure functions without numpy: the decoder process computes one hash per photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import mul

GRID = 16  # pixels: each side of the grey image that a signature is computed from
_KEPT = 8  # frequencies, each way
SIGNATURE_BYTES = _KEPT * _KEPT
# Measured on 112 unrelated photos: no two had a similarity above 0.70. Re-encoded, resized, mirrored, brightened
# and grey versions, and rotations by right angles, were above 0.92; crops by 5 % and rotations by 3 degrees were
# mostly above 0.83.
SAME_IMAGE = 0.8
FLAT = 1500  # a smaller sum of squares means an image of one tone with noise; photos have 10,000 and more

FINE_GRID = 32  # pixels: each side of the grey image that a detail is computed from
_FINE = 16  # frequencies, each way, of which the lowest _KEPT belong to the signature
DETAIL_BITS = _FINE * _FINE - _KEPT * _KEPT
DETAIL_BYTES = DETAIL_BITS // 8
COLOUR_BYTES = 2
LOOK_BYTES = SIGNATURE_BYTES + DETAIL_BYTES + COLOUR_BYTES

_COSINES = [[math.cos(math.pi * (2 * x + 1) * u / (2 * GRID)) for x in range(GRID)] for u in range(_KEPT)]

_FINE_COSINES = [
    [math.cos(math.pi * (2 * x + 1) * u / (2 * FINE_GRID)) for x in range(FINE_GRID)] for u in range(_FINE)
]
# (row, column) of the frequencies of a detail, in the order of its bits
DETAIL_PLACES = [(v, u) for v in range(_FINE) for u in range(_FINE) if v >= _KEPT or u >= _KEPT]


def look(grey: bytes, fine_grey: bytes, rgb: bytes) -> bytes:
    """Return the hash of an image.

    The signature is that of GRID x GRID grey values, the detail of FINE_GRID x FINE_GRID, the colour of any number of
    pixels of 3 bytes.
    """
    return signature(grey) + detail(fine_grey) + colour(rgb)


def colour(rgb: bytes) -> bytes:
    """Return the mean blue and red chroma (Cb, Cr of ITU-R BT.601) of the pixels, two signed bytes.

    Each pixel is weighted by its chroma: it is the colour of what has a colour, before a black or white background too.
    """
    sums = [0.0, 0.0]
    total = 0.0
    for red, green, blue in zip(rgb[::3], rgb[1::3], rgb[2::3], strict=True):
        chroma = 0.5 * blue - 0.331 * green - 0.169 * red, 0.5 * red - 0.419 * green - 0.081 * blue
        weight = math.hypot(*chroma)
        total += weight
        sums[0] += weight * chroma[0]
        sums[1] += weight * chroma[1]
    # Pure red has 127.5, which would be rounded to 128: the byte of -128.
    return bytes(max(-127, min(127, round(each / total))) & 0xFF if total else 0 for each in sums)


def detail(grey: bytes) -> bytes:
    """Return the detail, DETAIL_BYTES, of FINE_GRID x FINE_GRID grey values, row by row.

    A bit is 1 where the frequency at its place in DETAIL_PLACES is positive. The first bit is the highest of the first byte.
    """
    rows = [grey[y * FINE_GRID : (y + 1) * FINE_GRID] for y in range(FINE_GRID)]
    columns = list(zip(*([sum(map(mul, wave, row)) for wave in _FINE_COSINES] for row in rows), strict=True))
    bits = 0
    for v, u in DETAIL_PLACES:
        bits = bits << 1 | (sum(map(mul, _FINE_COSINES[v], columns[u])) > 0)
    return bits.to_bytes(DETAIL_BYTES)


def signature(grey: bytes) -> bytes:
    """Return the signature, SIGNATURE_BYTES signed bytes, of GRID x GRID grey values, row by row.

    It consists of the lowest frequencies of the discrete cosine transform, row by row, with the mean set to 0.
    Each is replaced by the square root of its magnitude: otherwise the two or three lowest would dominate.
    """
    rows = [grey[y * GRID : (y + 1) * GRID] for y in range(GRID)]
    columns = list(zip(*([sum(map(mul, wave, row)) for wave in _COSINES] for row in rows), strict=True))
    values = [sum(map(mul, wave, column)) for wave in _COSINES for column in columns]
    values[0] = 0.0
    compressed = (round(math.copysign(math.sqrt(abs(value)), value)) for value in values)
    return bytes(max(-127, min(127, value)) & 0xFF for value in compressed)


def similarity(one: bytes, other: bytes) -> float:
    """Return the greatest cosine of the signatures of two hashes, -1 to 1, in any orientation; 0 for flat images."""
    ours, theirs = _signed(one), _signed(other)
    size = sum(map(mul, ours, ours)), sum(map(mul, theirs, theirs))
    if min(size) < FLAT:
        return 0.0
    product = max(sum(map(mul, ours, rotated)) for rotated in _orientations(theirs))
    return float(product) / math.sqrt(size[0] * size[1])


def orientations(packed: bytes) -> list[list[int]]:
    """Return the signature of a hash, (8, SIGNATURE_BYTES), in the eight orientations; [] for a flat image."""
    values = _signed(packed)
    return list(_orientations(values)) if sum(map(mul, values, values)) >= FLAT else []


def _signed(packed: bytes) -> list[int]:
    return [value - 256 if value > 127 else value for value in packed[:SIGNATURE_BYTES]]


def _orientations(values: list[int]) -> Iterator[list[int]]:
    """Mirroring negates the odd frequencies along that axis; a rotation by 90 degrees also transposes them."""
    upright = [values[row * _KEPT : (row + 1) * _KEPT] for row in range(_KEPT)]
    for square in (upright, list(zip(*upright, strict=True))):
        for across in (1, -1):
            for down in (1, -1):
                yield [
                    value * across**column * down**row
                    for row, line in enumerate(square)
                    for column, value in enumerate(line)
                ]
