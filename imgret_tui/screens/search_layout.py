"""The main screen's layout: its widgets, and what is visible at which size."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from imgret_tui.terminal_images import TerminalImages
from imgret_tui.widgets.hit_list import HitList
from imgret_tui.widgets.photo_pane import PhotoPane
from imgret_tui.widgets.query_input import QueryErrorLine, QueryInput
from imgret_tui.widgets.status_line import HitCounts, StatusLine

_SMALL = (60, 12)  # columns and rows, below which there is no photo beside the hits
_FLAT = 20  # rows, below which there is only the preview beside the hits
NO_PHOTOS_HINT = """No photos yet.

imgret index ~/Pictures    describes a folder now
imgret add ~/Pictures      lets the daemon watch it
imgret demo                shows how it works, without weights or photos"""


class SearchLayout(Screen[None]):
    """A query, its hits beside the photo under the cursor, and a status line."""

    AUTO_FOCUS = "#query"

    def __init__(self, images: TerminalImages, request_details: Callable[[bytes], None]) -> None:
        """`request_details`: see `PhotoPane`."""
        super().__init__()
        self.query_input = QueryInput()
        self.query_error = QueryErrorLine()
        self.hit_list = HitList(images)
        self.photo_pane = PhotoPane(images, request_details)
        self.status_line = StatusLine()

    def compose(self) -> ComposeResult:
        """The query, the hits beside the photo, the status."""
        with Horizontal(id="query-row"):
            yield Static("›", id="prompt", markup=False)
            yield self.query_input
        yield self.query_error
        yield Static(NO_PHOTOS_HINT, id="hint", markup=False)
        with Horizontal(id="body"):
            yield self.hit_list
            yield self.photo_pane
        yield self.status_line

    def on_resize(self, event: events.Resize) -> None:
        """Hide what has no room."""
        self.set_class(event.size.width < _SMALL[0] or event.size.height < _SMALL[1], "-small")
        self.set_class(event.size.height < _FLAT, "-flat")

    def on_screen_suspend(self) -> None:
        """Another screen opens over the search."""
        self.photo_pane.preview.cover(covered=True)

    def on_screen_resume(self) -> None:
        """The search is on top again. Place images only when the screen above it has gone and all is drawn.

        The app waits for that screen in its own queue, and lays this one out after that. A callback from there
        runs later still, and once this screen was drawn.
        """
        self.app.call_later(self.app.call_next, self.call_after_refresh, self._show_overlays)

    def _show_overlays(self) -> None:
        if self.is_current:
            self.photo_pane.preview.cover(covered=False)

    def show_counts(self, *, has_text: bool, searching: bool, notice: str) -> None:
        """Show the number of hits in the status line. `has_text`: the query has words that hits can match well."""
        hits = self.hit_list.hits
        self.status_line.show_counts(
            HitCounts(
                hits=len(hits),
                strong=sum(hit.strength == "strong" for hit in hits) if has_text else 0,
                marked=len(self.hit_list.marked),
                only_weak=bool(hits) and all(hit.strength == "weak" for hit in hits),
                searching=searching,
                notice=notice,
            )
        )

    def action_move_column(self, direction: int) -> None:
        """Move left (-1) or right (1): in the grid between hits, else in the query."""
        if self.hit_list.is_grid:
            self.hit_list.move(0, direction)
        elif direction < 0:
            self.query_input.action_cursor_left()
        else:
            self.query_input.action_cursor_right()

    def action_move_page(self, direction: int) -> None:
        """Move a page up (-1) or down (1)."""
        self.hit_list.move_page(direction)

    def action_move_end(self, direction: int) -> None:
        """Move to the first (-1) or the last (1) hit."""
        self.hit_list.move_end(direction)

    def action_toggle_grid(self) -> None:
        """Show the hits as a grid or as a list."""
        self.hit_list.is_grid = self.toggle_class("-grid").has_class("-grid")

    def action_toggle_preview(self) -> None:
        """Show or hide the photo beside the hits."""
        self.toggle_class("-bare")

    def set_query_text(self, query: str) -> None:
        """Write into the input, with the cursor at the end."""
        self.query_input.value = query
        self.query_input.cursor_position = len(query)
