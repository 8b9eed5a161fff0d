"""An image prepared for a box of terminal cells: how its cells are drawn, and what is sent to the terminal for it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct
from rich.color import Color
from rich.segment import ControlType, Segment
from rich.style import Style

from imgret.photo import Corners, FileStat
from imgret.terminal import blocks, kitty, sixel
from imgret.terminal.fit import HALF_BLOCK, fit, scaled
from imgret.terminal.outline import outlined
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.sent import Sent

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

Box = tuple[float, float, float, float]  # left, top, right, bottom as fractions of width and height
_UNLIMITED_CELLS = 1 << 16
# A segment with a control code has no width, and Textual passes its text to the terminal unchanged.
CONTROL = ((ControlType.CURSOR_FORWARD, 0),)


class ImageRequest(Struct, frozen=True):
    """The photo at `path` in a box of cells. A preview is decoded from the file itself, and drawn over the cells."""

    path: bytes
    columns: int
    rows: int
    is_preview: bool = False
    is_sharp: bool = False  # decoded from the file itself: thumbnails of the cache are smaller than the box
    outlines: tuple[Corners, ...] = ()
    part: Box | None = None  # only this part of the photo, in the resolution of its file


class CellImage(Struct, frozen=True, eq=False):
    """An image that can be drawn, or the reason why there is none."""

    columns: int
    rows: int
    image_id: int | None = None  # of an image that kitty has
    colours: list[list[tuple[int, int]]] | None = None  # of half blocks: rows of (upper, lower) as 0xRRGGBB
    # written over blank cells: a sixel, or the placement of an image that kitty has
    overlay: str | None = None
    pixels: Pixels | None = None  # of a thumbnail that is drawn with all others of its page, as one sixel
    reason: str | None = None  # why the photo cannot be shown
    file_stat: FileStat | None = None  # of the file before it was loaded; None if there was no file

    @property
    def is_stored(self) -> bool:
        """Whether the terminal has the image and only needs its placement."""
        return self.image_id is not None and self.overlay is not None

    def line(self, row: int, style: Style) -> list[Segment]:
        """Row `row` of the image, `columns` cells wide, over the background of `style`."""
        if self.image_id is not None and self.overlay is None:
            colour = Style(color=Color.parse(kitty.hex_colour(self.image_id)))
            return [Segment(kitty.placeholders(row, self.columns), style + colour)]
        if self.colours is not None:
            return [Segment(blocks.UPPER_HALF, _half_block_style(*pair)) for pair in self.colours[row]]
        return [Segment(" " * self.columns, style)]


@lru_cache(maxsize=8192)
def _half_block_style(upper: int, lower: int) -> Style:
    return Style(color=_rgb(upper), bgcolor=_rgb(lower))


def _rgb(colour: int) -> Color:
    return Color.from_rgb(colour >> 16, colour >> 8 & 255, colour & 255)


def render_image(
    request: ImageRequest, pixels: Pixels, image_id: int, terminal: Capabilities, *, grey: bool
) -> tuple[Sent, CellImage, str]:
    """Prepare pixels (height, width, 3), uint8, in the best way that the terminal has.

    -> what the terminal stores, the image to draw, and the text to send before it is drawn. `grey`: without
    colours; only half blocks obey it.
    """
    graphics = terminal.graphics
    is_paged = terminal.has_sixel_pages and not request.is_preview
    if graphics is Graphics.SIXEL and not request.is_preview and not terminal.many_sixels and not is_paged:
        graphics = Graphics.BLOCKS
    cell = HALF_BLOCK if graphics is Graphics.BLOCKS else terminal.cell
    most = kitty.MAX_CELLS if graphics is Graphics.KITTY else _UNLIMITED_CELLS
    if request.part is not None:
        pixels = _cropped(pixels, request.part)
    height, width = pixels.shape[:2]
    box = fit(width, height, min(request.columns, most), min(request.rows, most), cell)
    text = ""
    overlay: str | None = None

    def fitted(height: int) -> Pixels:
        outlines = request.outlines if request.part is None else ()
        return outlined(scaled(pixels, box.width, height), outlines)

    if graphics is Graphics.KITTY and request.is_preview and not terminal.tmux:
        text = kitty.store(image_id, fitted(box.height), folder=terminal.folder)
        overlay = kitty.place(image_id, box.columns, box.rows)
        image = CellImage(box.columns, box.rows, image_id=image_id, overlay=overlay)
    elif graphics is Graphics.KITTY:
        text = kitty.transmit(image_id, fitted(box.height), box.columns, box.rows, folder=terminal.folder)
        text = kitty.through_tmux(text) if terminal.tmux else text
        image = CellImage(box.columns, box.rows, image_id=image_id)
    elif graphics is Graphics.SIXEL:
        high = max(sixel.BAND, box.height // sixel.BAND * sixel.BAND)  # some terminals fill the last band
        overlay = None if is_paged else sixel.encode(fitted(high), terminal.colours)
        # A thumbnail at the edge of its list is drawn in cells, because a sixel cannot be cut.
        colours = (
            None if request.is_preview else blocks.cell_colours(scaled(pixels, box.columns, 2 * box.rows))
        )
        image = CellImage(
            box.columns,
            box.rows,
            overlay=overlay,
            colours=colours,
            pixels=fitted(box.height) if is_paged else None,
        )
    else:
        shades = _grey(fitted(box.height)) if grey else fitted(box.height)
        image = CellImage(box.columns, box.rows, colours=blocks.cell_colours(shades))
    return Sent(image_id, box.columns, box.rows, box.width * box.height * 3), image, text


def _cropped(pixels: Pixels, part: Box) -> Pixels:
    """A part of an image, at least one pixel wide and high."""
    height, width = pixels.shape[:2]
    left, top = min(width - 1, int(part[0] * width)), min(height - 1, int(part[1] * height))
    right, bottom = max(left + 1, round(part[2] * width)), max(top + 1, round(part[3] * height))
    return pixels[top:bottom, left:right]


def _grey(pixels: Pixels) -> Pixels:
    import numpy as np

    luma = (pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(luma[:, :, None], 3, axis=2)
