"""One photo as large as there is room: in cells, or laid over blank cells by the terminal itself.

A sixel, and a picture that kitty has stored, lie over the screen at a place of their own: they are put
there after the blank cells, and taken away before anything else may stand in that place.
"""

from __future__ import annotations

from rich.segment import ControlType, Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from imgret.photo import Hit
from imgret.terminal import kitty
from imgret.terminal.probe import Graphics
from imgret_tui.cells import fitted
from imgret_tui.pictures import Pictures
from imgret_tui.shown import Shown, Wanted

PATIENCE = 0.25  # seconds for which the picture before stays until the next is there
# A segment with a control code has no width: Textual passes its text on as it is.
_CONTROL = ((ControlType.CURSOR_FORWARD, 0),)


class Preview(Widget):
    """The picture of the photo under the cursor."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(id="preview")
        self._pictures = pictures
        self._hit: Hit | None = None
        self._shown: Shown | None = None
        self._placed: tuple[int, Region] | None = None  # the picture that lies over the screen
        self._covered = False

    def show(self, hit: Hit | None) -> None:
        """Show this photo, or nothing."""
        if hit is None or self._hit is None or hit.path != self._hit.path:
            self._hit = hit
            self._load()
            if self._waiting:
                self.set_timer(PATIENCE, self._give_up_the_one_before)

    def picture_ready(self, path: bytes) -> None:
        """Draw it, if it is the one to be shown; or have it loaded, if it was forgotten."""
        if self._hit is not None and self._hit.path == path:
            self._load()

    def cover(self, *, covered: bool) -> None:
        """Another screen opens over this one, or has closed: what lies over cells must make room for it."""
        if covered != self._covered:
            self._covered = covered
            self._lay_over()
            self.refresh()

    def on_resize(self) -> None:
        """Load the picture for the new size."""
        self._shown = None
        self._take_away()
        self._load()

    def on_hide(self) -> None:
        """Nothing is loaded or left lying for a preview that is not seen."""
        self._pictures.want_preview(None)
        self._shown = None
        self._take_away()

    def on_show(self) -> None:
        """It is seen again."""
        self._load()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`; a sixel goes out whole with the last of them."""
        strips = [self._line(row).crop(crop.x, crop.right) for row in range(crop.y, crop.bottom)]
        shown = self._shown
        if strips and shown is not None and shown.image_id is None and self._may_lie_over(shown):
            strips[-1] = Strip(
                [*strips[-1], Segment(self._overlay(shown), None, _CONTROL)], strips[-1].cell_length
            )
        return strips

    @property
    def _waiting(self) -> bool:
        wanted = self._wanted()
        return wanted is not None and self._pictures.get(wanted) is None

    def _load(self) -> None:
        """Show the picture if it is there, and have it loaded if not."""
        wanted = self._wanted()
        self._pictures.want_preview(wanted)
        shown = self._pictures.get(wanted) if wanted else None
        if shown is not self._shown and (shown is not None or wanted is None):
            before, self._shown = self._shown, shown
            if not (before and before.is_stored and shown and shown.is_stored):
                self.refresh()  # the cells below are not blank, or must not stay so
            self._lay_over()

    def _give_up_the_one_before(self) -> None:
        if self._waiting:
            self._shown = None
            self._take_away()
            self.refresh()

    def _lay_over(self) -> None:
        """Have the terminal show a stored picture in this place: text written there does not remove it."""
        shown = self._shown
        if shown is None or not shown.is_stored or not self._may_lie_over(shown):
            self._take_away()
        elif self._placed != (shown.image_id, self.content_region):
            self._take_away()
            self._placed = (shown.image_id or 0, self.content_region)
            self._pictures.send(self._overlay(shown))

    def _may_lie_over(self, shown: Shown) -> bool:
        on_top = not self._covered and self.screen is self.app.screen
        return on_top and shown.overlay is not None and shown.columns <= self.size.width

    def _overlay(self, shown: Shown) -> str:
        region = self.content_region
        left = region.x + (region.width - shown.columns) // 2
        return f"\x1b7\x1b[{region.y + 1};{left + 1}H{shown.overlay}\x1b8"

    def _take_away(self) -> None:
        if self._placed is not None:
            self._pictures.send(kitty.hide(self._placed[0]))
            self._placed = None

    def _line(self, row: int) -> Strip:
        shown, style, width = self._shown, self.rich_style, self.size.width
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
        if self._hit is None or width < 2 or height < 2 or not self.display:
            return None
        return Wanted(self._hit.path, width, height, preview=True)
