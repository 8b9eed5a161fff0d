"""The copies of one group of near-duplicates: side by side, to be compared, or as a list."""

from __future__ import annotations

from imgret.photo import Hit
from imgret.terminal.fit import HALF_BLOCK
from imgret.terminal.probe import Graphics
from imgret_tui.cell_image import ImageRequest
from imgret_tui.copies_layout import TEXT_ROWS, CopiesLayout
from imgret_tui.hit_layout import HitLayout
from imgret_tui.widgets.hit_list import HitList

_USUAL = 4 / 3
_LEAST, _MOST = 0.5, 2.0  # a panorama would leave no height to the others


class CopyList(HitList, can_focus=False):
    """A list of hits whose grid is fitted to the group, with sharp images."""

    @property
    def hit_layout(self) -> HitLayout:
        """Where each copy is. Copies have the same shape, or nearly."""
        first = self._hits[0] if self._hits else None
        shape = first.width / first.height if first and first.width and first.height else _USUAL
        terminal = self._images.terminal
        cell = HALF_BLOCK if terminal.graphics in (Graphics.BLOCKS, Graphics.NONE) else terminal.cell
        return CopiesLayout(
            self.scrollable_content_region.size,
            len(self._hits),
            self.is_grid,
            TEXT_ROWS if self.is_grid else 1,
            max(_LEAST, min(_MOST, shape)) * cell.height / cell.width,
        )

    def _image_request(self, layout: HitLayout, hit: Hit) -> ImageRequest | None:
        columns, rows = self._thumbnail(layout)
        return ImageRequest(hit.path, columns, rows, is_sharp=self.is_grid) if columns else None
