"""Where each hit is drawn in the list or in the grid. All sizes are in cells."""

from __future__ import annotations

from msgspec import Struct
from textual.geometry import Region, Size

_LEAST_GRID_COLUMNS, _MOST_GRID_COLUMNS = 22, 34  # of a grid cell
_GRID_CELLS = 6  # side by side that a wide grid has at least
_LIST_COLUMN = 48  # cells: a list twice as wide has two columns
# From this height of the area on, a list entry has so many rows and so large a thumbnail, which is 4:3 at cells of 1:2.
_ENTRIES = ((38, 5, Size(14, 5)), (26, 4, Size(11, 4)), (9, 3, Size(8, 3)), (0, 1, Size(0, 0)))
_TEXT_CELLS = 16  # beside a thumbnail, at least


class HitLayout(Struct, frozen=True):
    """The arrangement of `count` hits in an area that scrolls vertically."""

    area: Size
    count: int
    is_grid: bool
    text_rows: int = 1  # below each image of a grid

    @property
    def entry(self) -> Size:
        """The size of one hit."""
        width = max(1, self.area.width // self.columns)
        if self.is_grid:
            image_rows = round((width - 1) * 3 / 8)  # 4:3 at cells of 1:2
            return Size(width, min(self.text_rows + image_rows, max(2, self.area.height)))
        return Size(width, self._list_entry[0])

    @property
    def columns(self) -> int:
        """How many hits are side by side."""
        width = self.area.width
        if self.is_grid:
            return max(1, width // max(_LEAST_GRID_COLUMNS, min(_MOST_GRID_COLUMNS, width // _GRID_CELLS)))
        return max(1, width // _LIST_COLUMN)

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
    def thumbnail(self) -> Size:
        """The size of a thumbnail; (0, 0) in a list without room for one."""
        if self.is_grid:
            return Size(self.entry.width - 1, max(1, self.entry.height - self.text_rows))
        size = self._list_entry[1]
        return size if self.entry.width >= size.width + _TEXT_CELLS else Size(0, 0)

    @property
    def _list_entry(self) -> tuple[int, Size]:
        return next((rows, size) for height, rows, size in _ENTRIES if self.area.height >= height)

    def thumbnail_region(self, position: int) -> Region:
        """The cells of the thumbnail of the hit at `position`, from the top of all hits."""
        x, y, *_ = self.region(position)
        return Region(x + (1 if self.is_grid else 2), y, *self.thumbnail)

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
