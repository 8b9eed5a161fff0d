"""Where the copies of a group are drawn: side by side, as large as all of them fit. All sizes are in cells."""

from __future__ import annotations

from functools import lru_cache

from textual.geometry import Size

from imgret_tui.hit_layout import HitLayout

TEXT_ROWS = 3  # below each image: its name, its size, its date and folder
_LEAST_COLUMNS, _LEAST_ROWS = 22, 6  # of an image; where not all have them, the page scrolls


class CopiesLayout(HitLayout, frozen=True):
    """As `HitLayout`, but its grid is fitted to the number of copies."""

    shape: float = 8 / 3  # columns of an image for each of its rows

    @property
    def entry(self) -> Size:
        """The size of one copy."""
        return self._fitted[1] if self.is_grid else super().entry

    @property
    def columns(self) -> int:
        """How many copies are side by side."""
        return self._fitted[0] if self.is_grid else super().columns

    @property
    def _fitted(self) -> tuple[int, Size]:
        return fitted(self.area, self.count, self.text_rows, self.shape)


@lru_cache(64)
def fitted(area: Size, count: int, text_rows: int, shape: float) -> tuple[int, Size]:
    """How many of `count` copies are side by side, and the size of each with its text.

    Images are as large as they can be without scrolling, else as many as possible are side by side. `shape`: columns of an
    image for each of its rows.
    """
    most = max(1, min(count, area.width // _LEAST_COLUMNS))
    arranged = [_arranged(area, count, text_rows, shape, columns) for columns in range(1, most + 1)]
    whole = [each for each in arranged if -(-count // each[0]) * each[1].height <= area.height]
    if not whole:
        return arranged[-1]
    return max(whole, key=lambda each: min(each[1].height - text_rows, (each[1].width - 1) / shape))


def _arranged(area: Size, count: int, text_rows: int, shape: float, columns: int) -> tuple[int, Size]:
    """(columns, the size of each) for a number of columns."""
    width = max(2, area.width // columns)
    visible = max(1, min(-(-count // columns), area.height // (text_rows + _LEAST_ROWS)))
    rows = min(area.height // visible - text_rows, -(-(width - 1) // shape))
    return columns, Size(width, text_rows + max(1, int(rows)))
