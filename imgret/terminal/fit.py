"""How large a picture is shown: the largest size that fits a box of cells and keeps its proportions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (height, width, 3), RGB, upright


class Cell(NamedTuple):
    """The pixels of one character cell."""

    width: int
    height: int


HALF_BLOCK = Cell(1, 2)  # what a cell can show with `▀`, a foreground and a background


class Fitted(NamedTuple):
    """A picture's place: the cells it covers and the pixels it is scaled to."""

    columns: int
    rows: int
    width: int
    height: int


def fit(width: int, height: int, columns: int, rows: int, cell: Cell) -> Fitted:
    """Fit a `width` x `height` picture into `columns` x `rows` cells; small pictures are enlarged.

    Every number of the answer is at least 1, and the cells never exceed the box (of at least 1 x 1).
    """
    columns, rows = max(1, columns), max(1, rows)
    box_width, box_height = columns * cell.width, rows * cell.height
    scale = min(box_width / max(1, width), box_height / max(1, height))
    fitted_width = min(box_width, max(1, round(width * scale)))
    fitted_height = min(box_height, max(1, round(height * scale)))
    return Fitted(
        -(-fitted_width // cell.width), -(-fitted_height // cell.height), fitted_width, fitted_height
    )


def scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    """The picture at `width` x `height` pixels."""
    import numpy as np
    from PIL import Image

    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels)
    # `reducing_gap` averages whole blocks first: four times faster on large pictures, and no visible loss.
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0))
