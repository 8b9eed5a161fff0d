"""A picture as cells or as what the terminal lays over them: what is drawn of it, and what is sent for it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from imgret.terminal import blocks, kitty, sixel
from imgret.terminal.fit import HALF_BLOCK, fit, scaled
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.sent import Sent

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

Stamp = tuple[int, int, int] | None  # of a file: what an edit changes; None of one that is not there


class Wanted(Struct, frozen=True):
    """A picture of a photo in a box of cells. A preview is decoded in full, and may be a sixel."""

    path: bytes
    columns: int
    rows: int
    preview: bool = False


class Shown(Struct, frozen=True, eq=False):
    """A picture that can be drawn, or why it cannot."""

    columns: int
    rows: int
    image_id: int | None = None  # kitty
    colours: list[list[tuple[int, int]]] | None = None  # half blocks
    overlay: str | None = None  # written over blank cells: a sixel, or a stored picture's placing
    reason: str | None = None
    stamp: Stamp = None  # of the file, just before it was loaded

    @property
    def is_stored(self) -> bool:
        """Whether the terminal has it and needs only be told where to show it."""
        return self.image_id is not None and self.overlay is not None

    def line(self, row: int, style: Style) -> list[Segment]:
        """One row of `columns` cells, over the background of `style`."""
        if self.image_id is not None and self.overlay is None:
            colour = Style(color=Color.parse(kitty.hex_colour(self.image_id)))
            return [Segment(kitty.placeholders(row, self.columns), style + colour)]
        if self.colours is not None:
            return [Segment(blocks.UPPER_HALF, _block(*pair)) for pair in self.colours[row]]
        return [Segment(" " * self.columns, style)]


@lru_cache(maxsize=8192)
def _block(upper: int, lower: int) -> Style:
    return Style(color=_rgb(upper), bgcolor=_rgb(lower))


def _rgb(colour: int) -> Color:
    return Color.from_rgb(colour >> 16, colour >> 8 & 255, colour & 255)


def encoded(
    wanted: Wanted, pixels: Pixels, image_id: int, terminal: Capabilities, *, grey: bool
) -> tuple[Sent, Shown, str]:
    """Pixels (height, width, 3) as this terminal shows them best; the text is to be sent before they are drawn."""
    graphics = terminal.graphics
    if graphics is Graphics.SIXEL and not wanted.preview:
        graphics = Graphics.BLOCKS  # a sixel cannot scroll with its list
    cell = HALF_BLOCK if graphics is Graphics.BLOCKS else terminal.cell
    most = kitty.MAX_CELLS if graphics is Graphics.KITTY else 1 << 16
    height, width = pixels.shape[:2]
    place = fit(width, height, min(wanted.columns, most), min(wanted.rows, most), cell)
    text = ""
    if graphics is Graphics.KITTY and wanted.preview and not terminal.tmux:
        text = kitty.store(image_id, scaled(pixels, place.width, place.height), folder=terminal.folder)
        overlay = kitty.place(image_id, place.columns, place.rows)
        shown = Shown(place.columns, place.rows, image_id=image_id, overlay=overlay)
    elif graphics is Graphics.KITTY:
        fitted = scaled(pixels, place.width, place.height)
        text = kitty.transmit(image_id, fitted, place.columns, place.rows, folder=terminal.folder)
        text = kitty.through_tmux(text) if terminal.tmux else text
        shown = Shown(place.columns, place.rows, image_id=image_id)
    elif graphics is Graphics.SIXEL:
        high = max(sixel.BAND, place.height // sixel.BAND * sixel.BAND)  # some terminals fill the last band
        overlay = sixel.encode(scaled(pixels, place.width, high), terminal.colours)
        shown = Shown(place.columns, place.rows, overlay=overlay)
    else:
        fitted = scaled(pixels, place.width, place.height)
        if grey:
            fitted = _grey(fitted)
        shown = Shown(place.columns, place.rows, colours=blocks.cell_colours(fitted))
    return Sent(image_id, place.columns, place.rows, place.width * place.height * 3), shown, text


def _grey(pixels: Pixels) -> Pixels:
    import numpy as np

    luma = (pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(luma[:, :, None], 3, axis=2)
