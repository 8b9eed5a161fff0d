"""How the hits are drawn, as a list or as a grid: lines, thumbnails, and sixels over them.

Only visible lines are drawn, and only visible thumbnails are requested, so that ten thousand hits cost no more
than what the screen shows.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset, Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from imgret.photo import Hit
from imgret.terminal.probe import Graphics
from imgret_tui.cell_image import CONTROL, CellImage, ImageRequest
from imgret_tui.hit_layout import HitLayout
from imgret_tui.hit_lines import LineStyles, ListedHit, grid_line, list_line
from imgret_tui.hit_texts import HOME, folder_text
from imgret_tui.terminal_images import TerminalImages

# Segments of one style are joined. Those of thumbnails must stay apart, so that what is beside them is drawn alone.
_APART = Style(meta={"thumbnail": True})

_LONGEST_RESET = 16  # characters: terminals read 16 parameters at least
_DRAWN_SECONDS = 0.1  # after which frames that were to be drawn are drawn


class DrawnHits(ScrollView, can_focus=False):
    """Draws hits. Subclasses change them, the cursor and the marks."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "hits--base",
        "hits--current",
        "hits--cursor",
        "hits--mark",
        "hits--dim",
        "hits--highlight",
        "hits--warning",
        "hits--strong",
        "hits--fair",
    }
    is_grid: reactive[bool] = reactive(default=False)
    cursor = reactive(0, repaint=False)

    def __init__(self, images: TerminalImages) -> None:
        super().__init__(id="hits")
        self._images = images
        self._hits: tuple[Hit, ...] = ()
        self._words: frozenset[str] = frozenset()
        self._marked: dict[bytes, Hit] = {}
        self._line_styles: dict[bool, LineStyles] = {}
        self._roots: tuple[bytes, ...] = ()
        self._needs_all = True  # a drawing of all is due
        self._draws_frames_only = False  # not the thumbnails
        self._drawn: Timer | None = None
        self._shared_folder: bytes | None = None

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The hits, best first."""
        return self._hits

    @property
    def current(self) -> Hit | None:
        """The hit under the cursor."""
        return self._hits[self.cursor] if self._hits else None

    @property
    def hit_layout(self) -> HitLayout:
        """Where each hit is."""
        return HitLayout(self.scrollable_content_region.size, len(self._hits), self.is_grid)

    @property
    def shared_folder_text(self) -> str:
        """The folder of all hits, which the entries leave out; empty if there are several."""
        shared = self._shared_folder
        return folder_text(shared, self._roots, HOME) if shared is not None and self._roots else ""

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._line_styles.clear()

    def render_line(self, y: int) -> Strip:
        """One line of the visible area."""
        layout = self.hit_layout
        positions, row = layout.line(y + self.scroll_offset.y)
        segments: list[Segment] = []
        for position in positions:
            segments += self._entry_line(layout, position, row)
        return Strip(segments).adjust_cell_length(layout.area.width, self._styles_for(current=False).base)

    def _entry_line(self, layout: HitLayout, position: int, row: int) -> list[Segment]:
        hit, is_current = self._hits[position], position == self.cursor
        request = self._image_request(layout, hit)
        image = self._images.get(request) if request else None
        if image is not None and image.colours is not None and self._overlay_at(layout, position) is not None:
            image = CellImage(image.columns, image.rows)  # blank cells below the sixel
        folder = os.path.dirname(hit.path)
        text = "" if folder == self._shared_folder else folder_text(folder, self._roots, HOME)
        entry = ListedHit(hit, self._words, is_current, hit.path in self._marked, image, text)
        (width, height), thumbnail = layout.entry, self._thumbnail(layout)
        styles = self._styles_for(current=is_current)
        if self.is_grid:
            return grid_line(entry, row, height, width, styles, layout.text_rows)
        return list_line(entry, row, height, width, styles, (thumbnail.width, thumbnail.height))

    def _image_request(self, layout: HitLayout, hit: Hit) -> ImageRequest | None:
        columns, rows = self._thumbnail(layout)
        return ImageRequest(hit.path, columns, rows) if columns else None

    def _thumbnail(self, layout: HitLayout) -> Size:
        return (
            Size(0, 0)
            if self._images.terminal.graphics is Graphics.NONE and not self.is_grid
            else layout.thumbnail
        )

    @property
    def _has_sixels(self) -> bool:
        terminal = self._images.terminal
        return terminal.graphics is Graphics.SIXEL and (terminal.many_sixels or terminal.has_sixel_pages)

    def _refresh_frame(self, position: int) -> None:
        """Draw what shows the cursor and the mark, without the image: images cost bytes, and a sixel would flicker."""
        layout = self.hit_layout
        region, columns = layout.region(position), self._thumbnail(layout).width
        if self.is_grid:
            parts = [
                Region(region.x, region.y, 1, region.height),
                Region(region.x, region.bottom - layout.text_rows, region.width - 1, layout.text_rows),
            ]
        else:
            text = region.x + 2 + (columns + 1 if columns else 0)
            parts = [
                Region(region.x, region.y, 2, region.height),
                Region(text, region.y, region.right - 1 - text, region.height),
            ]
        self._draw_frames_only()
        self.refresh(*(part.translate(-self.scroll_offset) for part in parts), frames=True)

    def _overlay_at(self, layout: HitLayout, position: int) -> tuple[int, str] | None:
        """The row of the widget in which the sixel of a hit ends, and the text that draws it; None without one.

        A sixel that would reach over the edge of the list, or over another screen, is not drawn: its cells have colours.
        """
        if not self._has_sixels or self.screen is not self.app.screen:
            return None
        at, image = self._image_at(layout, position)
        bottom, screen = at.y + layout.thumbnail.height, self.content_region
        is_whole = screen.y <= at.y and bottom <= screen.bottom and bottom < self.app.size.height
        if image is None or image.overlay is None or not is_whole:
            return None
        return bottom - 1 - screen.y, f"\x1b7\x1b[{at.y + 1};{at.x + 1}H{image.overlay}\x1b8"

    def _image_at(self, layout: HitLayout, position: int) -> tuple[Offset, CellImage | None]:
        """Where on the screen a thumbnail begins, perhaps above it, and its image; None if it is not loaded."""
        box = layout.thumbnail_region(position).translate(-self.scroll_offset)
        request = self._image_request(layout, self._hits[position])
        image = self._images.get(request) if request else None
        middle = (box.width - image.columns) // 2 if self.is_grid and image else 0
        return box.offset + self.content_region.offset + Offset(middle, 0), image

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`. A line that ends thumbnails carries their sixels at its end, after all cells below them.

        While only frames are drawn, thumbnails stay: Textual writes a line from its beginning, so their cells are skipped.
        """
        strips = super().render_lines(crop)
        self._needs_all = False
        if not self._draws_frames_only and not self._has_sixels:
            return strips
        layout = self.hit_layout
        for position in layout.visible(self.scroll_offset.y):
            if self._draws_frames_only:
                if self._image_at(layout, position)[1] is not None:
                    box = layout.thumbnail_region(position).translate(-self.scroll_offset)
                    for row in range(max(0, box.y - crop.y), min(len(strips), box.bottom - crop.y)):
                        strips[row] = _skipping(strips[row], box.x, box.width)
                continue
            overlay = self._overlay_at(layout, position)
            if overlay is not None and crop.y <= overlay[0] < crop.bottom:
                row = overlay[0] - crop.y
                sixel = Segment(overlay[1], None, CONTROL)
                strips[row] = Strip([*strips[row], sixel], strips[row].cell_length)
        return strips

    def refresh(self, *regions: Region, frames: bool = False, **options: Any) -> Self:
        """Draw the list, or some regions of it. `frames`: these are frames, whose thumbnails stay."""
        if not frames:
            self._needs_all, self._draws_frames_only = True, False
        return super().refresh(*regions, **options)

    def _draw_frames_only(self) -> None:
        draws_images = self._images.terminal.graphics in (Graphics.KITTY, Graphics.SIXEL)
        # A message that goes away uncovers thumbnails.
        if draws_images and not self._needs_all and not self.screen.query("Toast"):
            self._draws_frames_only = True
            if self._drawn is not None:
                self._drawn.stop()
            self._drawn = self.set_timer(_DRAWN_SECONDS, self._end_frames_only)

    def _end_frames_only(self) -> None:
        self._draws_frames_only = False

    def _styles_for(self, *, current: bool) -> LineStyles:
        if current not in self._line_styles:
            base = self.get_component_rich_style("hits--current" if current else "hits--base")
            background = Style(bgcolor=base.bgcolor)
            parts = (
                self.get_component_rich_style(f"hits--{part}", partial=True) + background
                for part in ("cursor", "mark", "dim", "highlight", "warning", "strong", "fair")
            )
            self._line_styles[current] = LineStyles._make(
                (base, *parts, self.get_component_rich_style("hits--base") + _APART)
            )
        return self._line_styles[current]

    def _request_thumbnails(self) -> None:
        """Request the visible thumbnails, unless another screen is in front: a request replaces those of that screen."""
        if self.screen is not self.app.screen:
            return
        layout = self.hit_layout
        visible = (self._hits[position] for position in layout.visible(self.scroll_offset.y))
        requests = [self._image_request(layout, hit) for hit in visible]
        self._images.request_thumbnails([request for request in requests if request is not None])

    def image_loaded(self, path: bytes) -> None:
        """Draw the hit whose image was loaded, if it is visible."""
        layout = self.hit_layout
        for position in layout.visible(self.scroll_offset.y):
            if self._hits[position].path == path:
                overlay = self._overlay_at(layout, position)
                if overlay is not None:
                    self._images.send(overlay[1])
                else:
                    self.refresh(layout.region(position).translate(-self.scroll_offset))

    def reload_thumbnails(self) -> None:
        """Request the visible thumbnails that were discarded."""
        self._request_thumbnails()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Request the thumbnails that become visible."""
        self._needs_all, self._draws_frames_only = True, False
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._request_thumbnails()


def _skipping(strip: Strip, x: int, width: int) -> Strip:
    """The strip with a movement of the cursor in place of some cells.

    Textual counts its characters. So it is made as long as the cells by resets of the style, of which each segment sets
    its own. A number with many leading zeros would be shorter, but kitty ignores it.
    """
    move = f"\x1b[{width}C"
    left = width - (len(move) - 1)  # an escape has no width
    if left < 0 or left == 1:
        return strip
    while left:
        part = left if left <= _LONGEST_RESET else min(_LONGEST_RESET, left - len("[m"))
        move += f"\x1b[{';' * (part - len('[m'))}m"
        left -= part
    return Strip([*strip.crop(0, x), Segment(move), *strip.crop(x + width)], strip.cell_length)
