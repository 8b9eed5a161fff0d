"""The main screen's layout: its widgets, and what is visible at which size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from imgret_tui.keymap import Keymap
from imgret_tui.layout_memory import GRID, LIST, LayoutMemory
from imgret_tui.picker_messages import PageSent
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.widgets.hit_list import HitList
from imgret_tui.widgets.key_bar import KeyBar
from imgret_tui.widgets.photo_pane import PhotoPane
from imgret_tui.widgets.query_input import QueryErrorLine, QueryInput
from imgret_tui.widgets.status_line import HitCounts, StatusLine

_SMALL = (60, 12)  # columns and rows, below which there is no photo beside the hits
_FLAT = 20  # rows, below which there is only the preview beside the hits
_AROUND_PREVIEW = 13  # rows of the screen that the preview does not have: query, counts, details, keys
_PREVIEW_RATIO = 3  # columns of a preview for each of its rows: 3:2 at cells of 1:2


class SearchLayout(Screen[None]):
    """A query, its hits beside the photo under the cursor, counts and keys."""

    AUTO_FOCUS = "#query"

    def __init__(
        self,
        images: TerminalImages,
        request_details: Callable[[bytes], None],
        keymap: Keymap,
        memory: LayoutMemory,
        *,
        multi: bool,
    ) -> None:
        """`request_details`: see `PhotoPane`."""
        super().__init__()
        self._memory = memory
        self.query_input = QueryInput(keymap.actions_by_key)
        self.query_error = QueryErrorLine()
        self.hit_list = HitList(images)
        self.photo_pane = PhotoPane(images, request_details)
        self.status_line = StatusLine()
        self.empty_view = Static("", id="empty", markup=False)
        self.key_bar = KeyBar(keymap.bar(multi=multi), id="keys")
        self.set_class(memory.layout == GRID, "-grid")
        self.set_class(not memory.has_preview, "-bare")
        self.hit_list.is_grid = memory.layout == GRID

    def compose(self) -> ComposeResult:
        """The query, the counts, the hits beside the photo, the keys."""
        with Horizontal(id="query-row"):
            yield Static("›", id="prompt", markup=False)
            yield self.query_input
        yield self.status_line
        yield self.query_error
        yield self.empty_view
        with Horizontal(id="body"):
            yield self.hit_list
            yield self.photo_pane
        yield self.key_bar

    def on_resize(self, event: events.Resize) -> None:
        """Hide what has no room, and give the preview what it can use."""
        width, height = event.size
        self.set_class(width < _SMALL[0] or height < _SMALL[1], "-small")
        self.set_class(height < _FLAT, "-flat")
        self._set_pane_width()

    def _set_pane_width(self) -> None:
        """The photo is as wide as its height allows, within bounds; the hits have the rest."""
        width, height = self.app.size
        rows = max(3, height - (_AROUND_PREVIEW if height >= _FLAT else 4))
        columns = round(min(0.6 * width, max(0.4 * width, _PREVIEW_RATIO * rows)))
        self.photo_pane.styles.width = "1fr" if self.hit_list.is_grid else columns

    def on_screen_suspend(self) -> None:
        """Another screen opens over the search."""
        self.photo_pane.preview.cover(covered=True)
        self.hit_list.refresh()

    def on_screen_resume(self) -> None:
        """The search is on top again. Place images only when the screen above it is closed and all is drawn.

        The app waits for that screen in its own queue, and lays this one out after that. A callback from there
        runs later still, and once this screen was drawn.
        """
        self.app.call_later(self.app.call_next, self.call_after_refresh, self._show_overlays)

    def _show_overlays(self) -> None:
        if self.is_current:
            self.photo_pane.preview.cover(covered=False)
            self.hit_list.reload_thumbnails()

    def on_page_sent(self, _: PageSent) -> None:
        """The terminal keeps the page and what follows it."""
        self.photo_pane.preview.send_sixel()

    def show_empty(self, lines: Sequence[str]) -> None:
        """Show these lines, centred, in place of the hits; no lines: show the hits."""
        self.set_class(bool(lines), "-empty")
        if lines:
            first, *others = lines
            parts = [Content.styled(first, "bold"), *(Content.styled(line, "$muted") for line in others)]
            self.empty_view.update(Content("\n").join(parts))

    def show_counts(
        self, *, has_text: bool, searching: bool, notices: Sequence[str], total: int | None = None
    ) -> None:
        """Show the number of hits below the query. `has_text`: the query has words that hits can match well.

        `total`: how many there are with those that are not loaded; None if all are.
        """
        hits = self.hit_list.hits
        folder = self.hit_list.shared_folder_text
        self.status_line.show_counts(
            HitCounts(
                hits=len(hits),
                total=total,
                strong=sum(hit.strength == "strong" for hit in hits) if has_text else 0,
                marked=len(self.hit_list.marked),
                only_weak=bool(hits) and all(hit.strength == "weak" for hit in hits),
                searching=searching,
                folder=folder,
                notice="; ".join(notices),
            )
        )

    def action_move_column(self, direction: int) -> None:
        """Move left (-1) or right (1): between hits where they are side by side, else in the query."""
        if self.hit_list.hit_layout.columns > 1:
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

    def set_grid(self, *, is_grid: bool) -> None:
        """Show the hits as a grid or as a list, and remember it."""
        self.hit_list.is_grid = is_grid
        self.set_class(is_grid, "-grid")
        self._set_pane_width()
        self._remember()

    def action_toggle_preview(self) -> None:
        """Show or hide the photo beside the hits."""
        self.toggle_class("-bare")
        self._remember()

    def _remember(self) -> None:
        layout = GRID if self.hit_list.is_grid else LIST
        self._memory.save(layout, has_preview=not self.has_class("-bare"))

    def set_query_text(self, query: str) -> None:
        """Write into the input, with the cursor at the end."""
        self.query_input.value = query
        self.query_input.cursor_position = len(query)
