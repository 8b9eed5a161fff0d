"""Show one image between lines of text, for `imgret query --preview`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgret.terminal import blocks, kitty, sixel
from imgret.terminal.fit import HALF_BLOCK, fit, scaled
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.sent import SentImages

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels


def show(image_pixels: Pixels, columns: int, rows: int, graphics: Capabilities | Graphics) -> bytes:
    """Return the bytes that show an image (height, width, 3) at the cursor, in at most `columns` x `rows` cells.

    Afterwards the cursor is at the beginning of the line below. Empty for `Graphics.NONE`.
    """
    terminal = graphics if isinstance(graphics, Capabilities) else Capabilities(graphics)
    height, width = image_pixels.shape[:2]
    if terminal.graphics is Graphics.KITTY:
        place = fit(width, height, min(columns, kitty.MAX_CELLS), min(rows, kitty.MAX_CELLS), terminal.cell)
        image_id = SentImages().new_id()
        pixels = scaled(image_pixels, place.width, place.height)
        text = kitty.transmit(image_id, pixels, place.columns, place.rows, folder=terminal.folder)
        if terminal.tmux:
            text = kitty.through_tmux(text)
        colour = blocks.foreground(image_id)
        for row in range(place.rows):
            text += f"{colour}{kitty.placeholders(row, place.columns)}\x1b[39m\n"
    elif terminal.graphics is Graphics.SIXEL:
        place = fit(width, height, columns, rows, terminal.cell)
        # Write newlines first and move the cursor back up: a sixel image must not reach the end of the screen.
        data = sixel.encode(scaled(image_pixels, place.width, place.height), terminal.colours)
        text = f"{chr(10) * place.rows}\x1b[{place.rows}A\x1b7{data}\x1b8\x1b[{place.rows}B"
    elif terminal.graphics is Graphics.BLOCKS:
        place = fit(width, height, columns, rows, HALF_BLOCK)
        text = blocks.encode(scaled(image_pixels, place.width, place.height))
    else:
        text = ""
    return text.encode()
