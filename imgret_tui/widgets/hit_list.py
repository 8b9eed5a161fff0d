"""The hits, as a list or as a grid: new results, the cursor and the marks."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Size

from imgret.photo import Hit
from imgret.terminal.highlight import query_words
from imgret_tui.hit_texts import shared_folder
from imgret_tui.picker_messages import CursorMoved, PhotosChosen
from imgret_tui.widgets.paged_hits import PagedHits


class HitList(PagedHits, can_focus=False):
    """The hits of the newest results."""

    @property
    def marked(self) -> list[Hit]:
        """The marked photos, in the order in which they were marked. Another query does not unmark them."""
        return list(self._marked.values())

    def is_marked(self, hit: Hit) -> bool:
        """Whether the photo is marked, perhaps as a hit of an earlier query."""
        return hit.path in self._marked

    def show(self, hits: tuple[Hit, ...], query: str, *, keep_cursor: bool) -> None:
        """Show new results. With `keep_cursor`, the cursor stays on its photo if that is among them."""
        before = self.current
        self._hits = hits
        self._words = query_words(query)
        self._shared_folder = shared_folder(hits)
        positions = {hit.path: i for i, hit in enumerate(hits)} if keep_cursor and before else {}
        position = positions.get(before.path, 0) if before else 0
        self._update_height()
        if position == self.cursor:
            self.post_message(CursorMoved(self.current))
        else:
            self.cursor = position
        if not keep_cursor or self._is_cursor_on_first_page:
            self.scroll_to(y=0, animate=False, force=True)
        self._request_thumbnails()
        self.refresh()

    def show_roots(self, roots: tuple[bytes, ...]) -> None:
        """Show folders relative to these roots."""
        if roots != self._roots:
            self._roots = roots
            self.refresh()

    def replace(self, hit: Hit) -> None:
        """Show a changed hit in place of the one with its path."""
        self._hits = tuple(hit if other.path == hit.path else other for other in self._hits)
        self.refresh()

    def move(self, rows: int, columns: int = 0) -> None:
        """Move the cursor by rows and columns, as far as there are hits."""
        if self._hits:
            self.cursor = self.cursor + rows * self.hit_layout.columns + columns

    def move_page(self, direction: int) -> None:
        """Move the cursor by one page, up (-1) or down (1)."""
        self.move(direction * self.hit_layout.rows_per_page)

    def move_end(self, direction: int) -> None:
        """Move the cursor to the first (-1) or the last (1) hit."""
        self.cursor = 0 if direction < 0 else len(self._hits) - 1

    def toggle_mark(self) -> None:
        """Mark or unmark the photo under the cursor."""
        hit = self.current
        if hit is not None:
            if self._marked.pop(hit.path, None) is None:
                self._marked[hit.path] = hit
            self._refresh_frame(self.cursor)

    @property
    def all_marked(self) -> bool:
        """Whether every hit is marked."""
        return all(hit.path in self._marked for hit in self._hits)

    def toggle_all_marks(self) -> bool:
        """Mark every hit; if all are marked, unmark them. -> whether they are marked now."""
        return self.toggle_marks(self._hits)

    def toggle_marks(self, hits: Sequence[Hit]) -> bool:
        """As `toggle_all_marks`, for some of the hits."""
        marking = not all(hit.path in self._marked for hit in hits)
        if marking:
            self._marked.update((hit.path, hit) for hit in hits)
        else:
            for hit in hits:
                del self._marked[hit.path]
        self.refresh()
        return marking

    def validate_cursor(self, position: int) -> int:
        """Limit the cursor to the hits."""
        return max(0, min(position, len(self._hits) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        """Draw the cursor at its new position."""
        if not self.is_mounted:
            return
        for position in (before, now):
            self._refresh_frame(position)
        self._scroll_to_cursor()
        self.post_message(CursorMoved(self.current))

    def watch_is_grid(self) -> None:
        """Rearrange the hits around the cursor."""
        if self.is_mounted:
            self.on_resize()

    def on_resize(self) -> None:
        """Arrange the hits for the new size, or after they were hidden."""
        self._update_height()
        if self._is_cursor_on_first_page:
            self.scroll_to(y=0, animate=False, force=True)
        else:
            self._scroll_to_cursor()
        self._request_thumbnails()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked photo; a double click chooses it."""
        position = self.hit_layout.position_at(event.x, event.y + self.scroll_offset.y)
        if position is not None:
            self.cursor = position
            if event.chain > 1:
                self.post_message(PhotosChosen((self._hits[position],)))

    @property
    def _is_cursor_on_first_page(self) -> bool:
        layout = self.hit_layout
        return layout.region(self.cursor).bottom <= layout.area.height

    def _scroll_to_cursor(self) -> None:
        self.scroll_to_region(self.hit_layout.region(self.cursor), animate=False, force=True)

    def _update_height(self) -> None:
        layout = self.hit_layout
        self.virtual_size = Size(layout.area.width, layout.height)
