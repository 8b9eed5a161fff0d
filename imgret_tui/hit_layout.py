"""Where each hit is drawn in the list or in the grid. All sizes are in cells."""

from __future__ import annotations

from msgspec import Struct
from textual.geometry import Region, Size

from imgret_tui.hit_lines import THUMBNAIL_COLUMNS

GRID_CELL = Size(22, 9)  # an image of 21 x 8, and its name below
_TALL_ENTRY_ROWS = 9  # of the area, from which on a list entry has three rows


class HitLayout(Struct, frozen=True):
    """The arrangement of `count` hits in an area that scrolls vertically."""

    area: Size
    count: int
    is_grid: bool

    @property
    def entry(self) -> Size:
        """The size of one hit."""
        if self.is_grid:
            height = min(GRID_CELL.height, max(2, self.area.height))
            return Size(max(1, self.area.width // self.columns), height)
        return Size(max(1, self.area.width), 3 if self.area.height >= _TALL_ENTRY_ROWS else 1)

    @property
    def columns(self) -> int:
        """How many hits are side by side."""
        return max(1, self.area.width // GRID_CELL.width) if self.is_grid else 1

    @property
    def rows_per_page(self) -> int:
        """How many rows of hits fit into the area; at least 1."""
        return max(1, self.area.height // self.entry.height)

    @property
    def capacity(self) -> int:
        """How many hits two pages show."""
        return 2 * self.columns * (1 + self.area.height // self.entry.height)

    @property
    def height(self) -> int:
        """The height of all hits."""
        return -(-self.count // self.columns) * self.entry.height

    @property
    def thumbnail_columns(self) -> int:
        """The width of a thumbnail in the list; 0 where there is no room for one."""
        has_room = self.entry.height == 3 and self.area.width >= 3 * THUMBNAIL_COLUMNS
        return THUMBNAIL_COLUMNS if has_room else 0

    def region(self, position: int) -> Region:
        """The cells of the hit at `position`, from the top of all hits."""
        entry = self.entry
        row, column = divmod(position, self.columns)
        return Region(column * entry.width, row * entry.height, entry.width, entry.height)

    def line(self, y: int) -> tuple[range, int]:
        """The positions of the hits that line `y`, from the top of all hits, crosses; and which of their rows it is."""
        row, row_of_entry = divmod(y, self.entry.height)
        first = row * self.columns
        return range(min(first, self.count), min(first + self.columns, self.count)), row_of_entry

    def visible(self, scroll_y: int) -> range:
        """The positions of the hits that are at least partly visible, scrolled down by `scroll_y` lines."""
        height = self.entry.height
        first = scroll_y // height * self.columns
        end = -(-(scroll_y + self.area.height) // height) * self.columns
        return range(min(first, self.count), min(end, self.count))

    def position_at(self, x: int, y: int) -> int | None:
        """The position of the hit at a cell, from the top of all hits; None if there is none."""
        entry = self.entry
        column = x // entry.width
        position = y // entry.height * self.columns + column
        return position if column < self.columns and 0 <= position < self.count else None
