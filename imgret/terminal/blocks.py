"""Show images in any terminal with 24-bit colours, with half blocks: two pixels per cell, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

UPPER_HALF = "▀"


def cell_colours(pixels: Pixels) -> list[list[tuple[int, int]]]:
    """Return the (upper, lower) colours of each cell as 0xrrggbb, row by row.

    `pixels` is (height, width, 3). If the height is odd, the last line is repeated.
    """
    import numpy as np

    packed = (pixels.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(axis=2)
    if len(packed) % 2:
        packed = np.concatenate([packed, packed[-1:]])
    uppers, lowers = packed[0::2].tolist(), packed[1::2].tolist()
    return [list(zip(upper, lower, strict=True)) for upper, lower in zip(uppers, lowers, strict=True)]


def encode(pixels: Pixels) -> str:
    """Return the image (height, width, 3) as lines of text with SGR colours; each ends with a reset and a newline."""
    lines = []
    for row in cell_colours(pixels):
        cells = []
        before = (-1, -1)
        for upper, lower in row:
            if upper != before[0]:
                cells.append(foreground(upper))
            if lower != before[1]:
                cells.append(f"\x1b[48;2;{_channels(lower)}m")
            cells.append(UPPER_HALF)
            before = (upper, lower)
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def foreground(colour: int) -> str:
    """Return the SGR sequence for the foreground colour 0xrrggbb."""
    return f"\x1b[38;2;{_channels(colour)}m"


def _channels(colour: int) -> str:
    return f"{colour >> 16};{colour >> 8 & 255};{colour & 255}"
