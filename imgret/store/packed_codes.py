"""Rough scores of a million codes in a few milliseconds: products of int8 with numkong, which uses the CPU's SIMD.

numpy has no product of int8: it converts to float first, which takes four times as long for 64 components. numkong
multiplies rows that it has arranged in its own order, so the codes are packed in blocks. A block is never changed. Rows
that do not fill a block yet are compared as they are. numpy does all of it if numkong, a sixth of a small installation, is
not installed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgret.store.codes import product

BLOCK = 65_536  # rows

Codes = NDArray[np.int8]
Matrix = NDArray[np.float32]


def exact_product(rows: Codes, weights: Matrix) -> Matrix:
    """Return `rows @ weights` as float32 (rows,), for codes (rows, components), each row contiguous in memory.

    The weights are rounded to two digits to the base 127, each an int8, so to a 16,000th of the largest.
    """
    numkong = int8_kernels()
    largest = float(np.abs(weights).max(initial=0.0))
    if not len(rows) or not largest:
        return np.zeros(len(rows), np.float32)
    step = largest / (127 * 127)
    whole = np.rint(np.asarray(weights, np.float64) / step)
    high = np.rint(whole / 127)
    digits = np.stack([high, whole - 127 * high]).astype(np.int8)
    if numkong is None:
        found = np.stack([product(rows, digit.astype(np.float32)) for digit in digits], axis=1)
    else:
        found = np.asarray(numkong.dots_packed(rows, numkong.dots_pack(digits, "int8")))
    return np.asarray(found @ np.array([127 * step, step]), np.float32)


def rounded_weights(weights: Matrix) -> Codes:
    """Return weights as int8, the largest one 127 or -127, for products that are compared with each other only."""
    largest = float(np.abs(weights).max(initial=0.0)) or 1.0
    return np.asarray(np.rint(weights * np.float32(127 / largest)), np.int8)


def int8_product(rows: Codes, weights: Codes) -> NDArray[Any]:
    """Return `rows @ weights` (rows,), exact for up to 1,000 components."""
    numkong = int8_kernels()
    if numkong is None:
        return product(rows, weights.astype(np.float32))
    return np.asarray(numkong.dots_packed(rows, numkong.dots_pack(weights[np.newaxis], "int8")))[:, 0]


class PackedCodes:
    """The leading components of int8 codes."""

    def __init__(self, components: int) -> None:
        """`components`: how many of each code are packed."""
        self._numkong = int8_kernels()
        self._components = components
        self._blocks: list[Any] = []
        self._found: Any = None  # products of a block
        if self._numkong is not None:
            self._found = self._numkong.zeros((1, BLOCK), dtype="int32")
        # Kept: the kernel clears new memory page by page, as slowly as this multiplies.
        self._scores = np.zeros(0, np.int32)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(int(block.nbytes) for block in self._blocks) + self._scores.nbytes

    def extend(self, codes: Codes) -> None:
        """Pack what fills a block. `codes` (rows, components or more) are all rows, not the new ones only."""
        while self._numkong and (first := len(self._blocks) * BLOCK) + BLOCK <= len(codes):
            rows = np.ascontiguousarray(codes[first : first + BLOCK, : self._components])
            self._blocks.append(self._numkong.dots_pack(rows, "int8"))

    def scores(self, codes: Codes, weights: Matrix) -> NDArray[np.int32]:
        """Return the products of all `codes` with weights (components,) as int32 (rows,), to be compared with each other only.

        The weights are rounded to int8. The array is overwritten by the next call, so one thread may call at a time.
        """
        rounded = rounded_weights(weights)
        if len(self._scores) < len(codes):
            self._scores = np.zeros(max(len(codes), len(self._scores) * 5 // 4), np.int32)
        scores = self._scores[: len(codes)]
        for number, block in enumerate(self._blocks):
            self._numkong.dots_packed(rounded[np.newaxis], block, out=self._found)
            scores[number * BLOCK : (number + 1) * BLOCK] = np.asarray(self._found)[0]
        rest = len(self._blocks) * BLOCK
        if rest < len(codes):
            scores[rest:] = int8_product(codes[rest:, : self._components], rounded)
        return scores


@cache
def int8_kernels() -> Any:
    """Return numkong; None if it is not installed. Importing it takes time and 10 MB: only large libraries need it."""
    try:
        import numkong
    except ImportError:
        return None
    return numkong
