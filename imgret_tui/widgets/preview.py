"""One photo as large as there is room: in cells, or as one sixel over blank cells."""

from __future__ import annotations

from rich.segment import ControlType, Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from imgret.photo import Hit
from imgret.terminal.probe import Graphics
from imgret_tui.cells import fitted
from imgret_tui.pictures import Pictures, Shown, Wanted

# A segment with a control code has no width: Textual passes its text on as it is.
_CONTROL = ((ControlType.CURSOR_FORWARD, 0),)


class Preview(Widget):
    """The picture of the photo under the cursor."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(id="preview")
        self._pictures = pictures
        self._hit: Hit | None = None

    def show(self, hit: Hit | None) -> None:
        """Show this photo, or nothing."""
        if hit is None or self._hit is None or hit.path != self._hit.path:
            self._hit = hit
            self._ask()
            self.refresh()

    def picture_ready(self, path: bytes) -> None:
        """Draw it, if it is the one shown."""
        if self._hit is not None and self._hit.path == path:
            self.refresh()

    def on_resize(self) -> None:
        """Load the picture for the new size."""
        self._ask()

    def on_hide(self) -> None:
        """Nothing is loaded for a preview that is not seen."""
        self._pictures.want_preview(None)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`; a sixel goes out whole with the last of them."""
        wanted = self._wanted()
        shown = self._pictures.get(wanted) if wanted else None
        strips = [self._line(row, shown).crop(crop.x, crop.right) for row in range(crop.y, crop.bottom)]
        # Under another screen the text of that screen would be overwritten.
        if strips and shown is not None and shown.overlay is not None and self.screen is self.app.screen:
            region = self.content_region
            left = region.x + (region.width - shown.columns) // 2
            overlay = f"\x1b7\x1b[{region.y + 1};{left + 1}H{shown.overlay}\x1b8"
            strips[-1] = Strip([*strips[-1], Segment(overlay, None, _CONTROL)], strips[-1].cell_length)
        return strips

    def _line(self, row: int, shown: Shown | None) -> Strip:
        style, width = self.rich_style, self.size.width
        if shown is None or row >= shown.rows or shown.columns > width:
            return Strip.blank(width, style)
        if shown.reason is not None:
            text = f"cannot be shown: {shown.reason}" if row == 0 else ""
            return Strip(fitted([Segment(text, style)], width, style), width)
        left = (width - shown.columns) // 2
        line = [Segment(" " * left, style), *shown.line(row, style)]
        return Strip(line).adjust_cell_length(width, style)

    def _wanted(self) -> Wanted | None:
        width, height = self.size
        if self._pictures.terminal.graphics is Graphics.SIXEL and self.region.bottom >= self.app.size.height:
            height -= 1  # a sixel that touches the last row of the screen scrolls it
        if self._hit is None or width < 2 or height < 2:
            return None
        return Wanted(self._hit.path, width, height, preview=True)

    def _ask(self) -> None:
        self._pictures.want_preview(self._wanted())
