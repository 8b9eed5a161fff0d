"""Scale an image to fit a rectangle and pad it, as ultralytics' LetterBox does, with numpy alone.

The arithmetic is that of OpenCV's `INTER_LINEAR` for bytes, which rounds weights to 1/2048: an int8 network changes its
confidence by a tenth when pixels change by one level of 255.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgret.models.model_protocols import Pixels

PADDING = 114  # the grey that YOLO networks were trained with
_ONE = 2048  # the weight of a pixel that a sample falls on


class Placement(NamedTuple):
    """Where the image is in the padded one, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def fractions(self, boxes: NDArray[np.float32]) -> list[tuple[float, float, float, float]]:
        """Return boxes (n, 4) in pixels of the padded image as fractions of the image: left, top, right, bottom."""
        origin = np.array([self.left, self.top] * 2, np.float32)
        size = np.array([self.width, self.height] * 2, np.float32)
        rows = ((boxes - origin) / size).clip(0, 1)
        return [(float(left), float(top), float(right), float(bottom)) for left, top, right, bottom in rows]


class Letterbox:
    """Letterboxes images for a network."""

    def __init__(self, height: int, width: int, *, stride: int = 0) -> None:
        """Fit images into `height` and `width`; with a `stride`, pad only to the next multiple of it."""
        self._height, self._width, self._stride = height, width, stride

    def __call__(self, image: Pixels) -> tuple[Pixels, Placement]:
        """Return the padded image (height, width, 3), and where in it the image is."""
        rows, columns = image.shape[:2]
        ratio = min(self._height / rows, self._width / columns)
        height, width = max(1, round(rows * ratio)), max(1, round(columns * ratio))
        spare_rows, spare_columns = self._height - height, self._width - width
        if self._stride:
            spare_rows, spare_columns = spare_rows % self._stride, spare_columns % self._stride
        top, left = round(spare_rows / 2 - 0.1), round(spare_columns / 2 - 0.1)
        padded = np.full((height + spare_rows, width + spare_columns, 3), PADDING, np.uint8)
        padded[top : top + height, left : left + width] = resized(image, height, width)
        return padded, Placement(left, top, width, height)


def resized(image: Pixels, height: int, width: int) -> Pixels:
    """Return the image (height, width, 3), interpolated linearly between the four nearest pixels."""
    if image.shape[:2] == (height, width):
        return image
    above, below, down = _samples(image.shape[0], height)
    before, after, across = _samples(image.shape[1], width)
    across = across[np.newaxis, :, np.newaxis]
    down = down[:, np.newaxis, np.newaxis]

    def row(lines: Pixels) -> NDArray[np.int32]:  # of 15 bits
        return (lines[:, before] * (_ONE - across) + lines[:, after] * across) >> 4

    upper = row(image[above]) * (_ONE - down) >> 16
    lower = row(image[below]) * down >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _samples(length: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]:
    """Return, for each of `wanted` samples, the positions before and after it, and the weight of the latter."""
    at = ((np.arange(wanted) + 0.5) * (length / wanted) - 0.5).astype(np.float32)
    before = np.floor(at).astype(np.intp)
    # Also beyond the edge, where both pixels are the last one.
    weight = np.rint((at - before) * _ONE).astype(np.int32)
    return before.clip(0, length - 1), (before + 1).clip(0, length - 1), weight
