"""The thumbnails of a page as one sixel, for xterm: it keeps 16 sixels, and a seventeenth replaces one of them.

xterm replaces the sixel that is scrolled back the farthest, and moves all of them up when any lines scroll, however few.
So two lines are scrolled until all sixels are above the screen, before a page is sent: what follows replaces these, and the
pixels on the screen stay until they are drawn over. After 14 more sixels (previews), the page is sent once more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip

from imgret.terminal import sixel
from imgret.terminal.fit import Cell
from imgret.terminal.probe import Capabilities
from imgret_tui.cell_image import CellImage
from imgret_tui.picker_messages import PageSent
from imgret_tui.widgets.drawn_hits import DrawnHits

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

    _Part = tuple[Offset, bytes, Pixels]  # the first cell of a thumbnail, its path, its pixels

_COLOURS = 128  # of a page: twice as many take 1.4 times the bytes and 1.6 times the time
_MOST_AFTER = 14  # sixels after a page, until it is sent again
_SCROLLED = 2  # lines: the fewest that can be scrolled alone
_LOADING_SECONDS = 0.1  # between two looks whether all thumbnails are loaded
_PATIENCE_SECONDS = 0.6  # after which the page is sent without those that are not


class Page(NamedTuple):
    """A page, and the text that draws it."""

    images: tuple[tuple[Offset, bytes], ...]  # the first cell and the path of each
    text: str


class PageEncoded(Message):
    """A page is ready to be sent."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page


class PagedHits(DrawnHits, can_focus=False):
    """Sends the page after cells of thumbnails were drawn. Those are drawn in half blocks, which the sixel covers."""

    _due_since: float | None = None  # by time.monotonic
    _page: Page | None = None  # the last one

    def notify_style_update(self) -> None:
        """The theme changed, and with it the colour around the thumbnails of the page."""
        super().notify_style_update()
        self._page = None

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`; if there are thumbnails among them, the page has to be sent again."""
        if self._images.terminal.has_sixel_pages and not self._draws_frames_only and self._hits:
            self._want_page()
        return super().render_lines(crop)

    def keep_page(self) -> None:
        """Send the page once more before the terminal forgets it."""
        if self._images.terminal.has_sixel_pages and self._images.sixels >= _MOST_AFTER:
            self._want_page()

    def _want_page(self) -> None:
        if self._due_since is None:
            self._due_since = time.monotonic()
            self.call_later(self._send_page)

    def _send_page(self) -> None:
        if self._due_since is None or self.screen is not self.app.screen or not self.is_attached:
            self._due_since = None
            return
        if self._images.is_loading_thumbnails and time.monotonic() - self._due_since < _PATIENCE_SECONDS:
            self.set_timer(_LOADING_SECONDS, self._send_page)
            return
        self._due_since = None
        parts = self._parts()
        wanted = tuple((at, path) for at, path, _ in parts)
        if self._page is not None and self._page.images == wanted:
            self._send(self._page)
        elif parts:
            terminal = self._images.terminal
            self.run_worker(lambda: self._encode(wanted, parts, terminal), thread=True, exclusive=True)

    def _parts(self) -> list[_Part]:
        """The thumbnails on the screen, cut at the edges of the list. A sixel in the last line of the screen scrolls it."""
        layout, found = self.hit_layout, []
        screen, height = self.content_region, self._images.terminal.cell.height
        end = min(screen.bottom, self.app.size.height - 1)
        for position in layout.visible(self.scroll_offset.y):
            at, image = self._image_at(layout, position)
            if image is None or image.pixels is None:
                continue
            above = max(0, screen.y - at.y)
            pixels = self._padded(image, image.pixels)[above * height : (end - at.y) * height]
            if len(pixels):
                found.append((at + Offset(0, above), self._hits[position].path, pixels))
        return found

    def _padded(self, image: CellImage, pixels: Pixels) -> Pixels:
        """The pixels with a border, so that they cover their cells completely."""
        import numpy as np

        cell, ground = self._images.terminal.cell, self.get_component_styles("hits--base").background.rgb
        padded = np.full((image.rows * cell.height, image.columns * cell.width, 3), ground, np.uint8)
        rows, columns = min(len(pixels), len(padded)), min(pixels.shape[1], padded.shape[1])
        padded[:rows, :columns] = pixels[:rows, :columns]
        return padded

    def _encode(
        self, images: tuple[tuple[Offset, bytes], ...], parts: list[_Part], terminal: Capabilities
    ) -> None:
        """Runs on a thread."""
        text = page_text(
            [(at, pixels) for at, _, pixels in parts], terminal.cell, min(_COLOURS, terminal.colours)
        )
        self.post_message(PageEncoded(Page(images, text)))

    def on_page_encoded(self, message: PageEncoded) -> None:
        """Send the page, unless other thumbnails are on the screen by now."""
        self._page = message.page
        if tuple((at, path) for at, path, _ in self._parts()) == self._page.images:
            self._send(self._page)
        else:
            self._want_page()

    def _send(self, page: Page) -> None:
        if self.screen is self.app.screen:
            self._images.send(self._forget_sixels() + page.text)
            self._images.sixels = 1
            self.post_message(PageSent())

    def _forget_sixels(self) -> str:
        """The text that moves all sixels above the screen: it scrolls the lines above the hits, and writes them again.

        Where there are not two lines above the hits, there is no preview either, and a page replaces the last one.
        """
        if self.region.y < _SCROLLED:
            return ""
        scroll = "\x1b[S" * (self.app.size.height + 1)
        lines = [
            f"\x1b[{widget.region.y + y + 1};{widget.region.x + 1}H{strip.render(self.app.console)}"
            for widget in self.screen.query("*")
            if widget.region.bottom <= _SCROLLED and widget.region.height and not widget.children
            for y, strip in enumerate(widget.render_lines(Region(0, 0, *widget.outer_size)))
        ]
        return f"\x1b7\x1b[1;{_SCROLLED}r{scroll}\x1b[r{''.join(lines)}\x1b8"


def page_text(parts: list[tuple[Offset, Pixels]], cell: Cell, colours: int = _COLOURS) -> str:
    """Several images, each at a cell of the screen, as one sixel with holes between them, in at most `colours` colours."""
    import numpy as np

    boxes = [(at.x * cell.width, at.y * cell.height, pixels) for at, pixels in parts]
    column, row = min(at.x for at, _ in parts), min(at.y for at, _ in parts)
    left, top = column * cell.width, row * cell.height
    right = max(x + pixels.shape[1] for x, _, pixels in boxes)
    bottom = max(y + pixels.shape[0] for _, y, pixels in boxes)
    page = np.zeros((bottom - top, right - left, 3), np.uint8)
    holes = np.ones(page.shape[:2], np.bool_)
    for x, y, pixels in boxes:
        rows = slice(y - top, y - top + pixels.shape[0])
        columns = slice(x - left, x - left + pixels.shape[1])
        page[rows, columns], holes[rows, columns] = pixels, False
    return f"\x1b7\x1b[{row + 1};{column + 1}H{sixel.encode(page, colours, holes)}\x1b8"
