"""Pictures for any terminal with 24-bit colours: two pixels a cell, the upper half block over the lower."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

UPPER_HALF = "▀"


def cell_colours(pixels: Pixels) -> list[list[tuple[int, int]]]:
    """Per row of cells the (upper, lower) colours as 0xrrggbb.

    `pixels` is (height, width, 3); an odd last line is taken twice.
    """
    import numpy as np

    packed = (pixels.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(axis=2)
    if len(packed) % 2:
        packed = np.concatenate([packed, packed[-1:]])
    uppers, lowers = packed[0::2].tolist(), packed[1::2].tolist()
    return [list(zip(upper, lower, strict=True)) for upper, lower in zip(uppers, lowers, strict=True)]


def encode(pixels: Pixels) -> str:
    """The picture as lines of text with SGR colours, each line ended by a reset and a newline."""
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
    """The SGR sequence for a foreground of 0xrrggbb."""
    return f"\x1b[38;2;{_channels(colour)}m"


def _channels(colour: int) -> str:
    return f"{colour >> 16};{colour >> 8 & 255};{colour & 255}"
