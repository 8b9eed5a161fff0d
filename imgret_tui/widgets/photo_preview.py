"""One photo as large as its widget: drawn in cells, or laid over blank cells by the terminal.

A sixel, and an image that kitty has stored, are drawn over the screen independently of the cells. They are placed
after the blank cells were drawn, and removed before anything else is drawn there.
"""

from __future__ import annotations

from rich.color import ColorSystem
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from imgret.photo import Corners, Hit
from imgret.terminal import kitty
from imgret.terminal.probe import Graphics
from imgret_tui.cell_image import CONTROL, Box, CellImage, ImageRequest
from imgret_tui.hit_lines import fit_segments
from imgret_tui.terminal_images import TerminalImages

KEEP_SECONDS = 0.25  # that the image of the last photo stays while the next one is loaded


class Preview(Widget):
    """The image of the photo under the cursor, with lines around the text in it that matches the query."""

    def __init__(self, images: TerminalImages) -> None:
        super().__init__(id="preview")
        self._images = images
        self._hit: Hit | None = None
        self._outlines: tuple[Corners, ...] = ()
        self._part: Box | None = None
        self._image: CellImage | None = None
        # the id of the stored image over the screen, and where
        self._placed: tuple[int, Region] | None = None
        self._is_covered = False

    def show(self, hit: Hit | None, part: Box | None = None) -> None:
        """Show this photo, or a part of it, or nothing."""
        from imgret import stage_results

        outlines = stage_results.outlines(hit.shown, hit.why) if hit else ()
        path = hit.path if hit else None
        if self._hit is None or (path, outlines, part) != (self._hit.path, self._outlines, self._part):
            self._hit, self._outlines, self._part = hit, outlines, part
            self._update_image()
            if self._is_waiting:
                self.set_timer(KEEP_SECONDS, self._drop_last_image)

    def image_loaded(self, path: bytes) -> None:
        """An image of the photo at `path` was loaded or discarded: draw it, or request it again."""
        if self._hit is not None and self._hit.path == path:
            self._update_image()

    def cover(self, *, covered: bool) -> None:
        """Another screen opens over this one, or has closed: remove images over the cells, or place them again."""
        if covered != self._is_covered:
            self._is_covered = covered
            self._place_overlay()
            self.refresh()
            if not covered:
                self.call_after_refresh(self._send_cut_sixel)

    def _send_cut_sixel(self) -> None:
        """Send the sixel at the end of the last line, if that end is below a message and was not written."""
        if self.is_attached and self.screen.query("Toast"):
            self.send_sixel()

    def show_again(self) -> None:
        """The terminal has lost the image: request it."""
        self._image = self._placed = None
        self._update_image()
        self.refresh()

    def on_resize(self) -> None:
        """Request the image in the new size."""
        self._image = None
        self._remove_overlay()
        self._update_image()

    def on_hide(self) -> None:
        """Request nothing, and leave nothing over the screen."""
        self._images.request_preview(None)
        self._image = None
        self._remove_overlay()

    def on_show(self) -> None:
        """Request the image again."""
        self._update_image()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`; the last one carries a sixel, which is always sent whole."""
        strips = [self._line(row).crop(crop.x, crop.right) for row in range(crop.y, crop.bottom)]
        image = self._image
        if strips and image is not None and image.image_id is None and self._can_overlay(image):
            sixel = Segment(self._overlay_text(image), None, CONTROL)
            strips[-1] = Strip([*strips[-1], sixel], strips[-1].cell_length)
        return strips

    @property
    def _is_waiting(self) -> bool:
        request = self._request()
        return request is not None and self._images.get(request) is None

    def _update_image(self) -> None:
        """Show the image if it is loaded, and request it if not."""
        request = self._request()
        self._images.request_preview(request)
        image = self._images.get(request) if request else None
        if image is not self._image and (image is not None or request is None):
            before, self._image = self._image, image
            if before and image and self._is_sixel(before) and self._is_sixel(image):
                self._replace_sixel(before, image)
            elif not (before and before.is_stored and image and image.is_stored):
                self.refresh()  # the cells below are not blank, or must not stay blank
            self._place_overlay()

    def _is_sixel(self, image: CellImage) -> bool:
        return image.image_id is None and self._can_overlay(image)

    def _replace_sixel(self, before: CellImage, image: CellImage) -> None:
        """Draw a sixel over the one before it, and clear only what it does not cover: so it does not flicker."""
        region, style = self.content_region, self.rich_style.background_style
        blank: list[str] = []
        for row in range(before.rows):
            old, new = self._columns(before), self._columns(image)
            left, right = (new.start, new.stop - 1) if row < image.rows - 1 else (old.stop, old.stop)
            # The last column and row of a box may be covered in part, so they are cleared as well.
            for start, stop in ((old.start, min(old.stop, left)), (max(old.start, right), old.stop)):
                if start < stop:
                    text = style.render(" " * (stop - start), color_system=ColorSystem.TRUECOLOR)
                    blank.append(f"\x1b[{region.y + row + 1};{region.x + start + 1}H{text}")
        self._images.send(f"\x1b7{''.join(blank)}\x1b8{self._overlay_text(image)}")

    def _columns(self, image: CellImage) -> range:
        left = (self.content_region.width - image.columns) // 2
        return range(left, left + image.columns)

    def _drop_last_image(self) -> None:
        if self._is_waiting:
            self._image = None
            self._remove_overlay()
            self.refresh()

    def _place_overlay(self) -> None:
        """Let the terminal show a stored image here; text that is written there does not remove it."""
        image = self._image
        if image is None or not image.is_stored or not self._can_overlay(image):
            self._remove_overlay()
        elif self._placed != (image.image_id, self.content_region):
            self._remove_overlay()
            self._placed = (image.image_id or 0, self.content_region)
            self._images.send(self._overlay_text(image))

    def _can_overlay(self, image: CellImage) -> bool:
        on_top = not self._is_covered and self.screen is self.app.screen
        return on_top and image.overlay is not None and image.columns <= self.size.width

    def send_sixel(self) -> None:
        """Send the image once more, over itself: the terminal will soon forget it."""
        if self._image is not None and self._is_sixel(self._image):
            self._images.send(self._overlay_text(self._image))

    def _overlay_text(self, image: CellImage) -> str:
        self._images.sixels += image.image_id is None
        region = self.content_region
        left = region.x + (region.width - image.columns) // 2
        return f"\x1b7\x1b[{region.y + 1};{left + 1}H{image.overlay}\x1b8"

    def _remove_overlay(self) -> None:
        if self._placed is not None:
            self._images.send(kitty.hide(self._placed[0]))
            self._placed = None

    def _line(self, row: int) -> Strip:
        image, style, width = self._image, self.rich_style, self.size.width
        if image is None or row >= image.rows or image.columns > width:
            return Strip.blank(width, style)
        if image.reason is not None:
            text = f"cannot be shown: {image.reason}" if row == 0 else ""
            return Strip(fit_segments([Segment(text, style)], width, style), width)
        left = (width - image.columns) // 2
        line = [Segment(" " * left, style), *image.line(row, style)]
        return Strip(line).adjust_cell_length(width, style)

    def _request(self) -> ImageRequest | None:
        width, height = self.size
        if self._images.terminal.graphics is Graphics.SIXEL and self.region.bottom >= self.app.size.height:
            height -= 1  # a sixel that touches the last row of the screen scrolls it
        if self._hit is None or width < 2 or height < 2 or not self.display:
            return None
        return ImageRequest(
            self._hit.path, width, height, is_preview=True, outlines=self._outlines, part=self._part
        )
