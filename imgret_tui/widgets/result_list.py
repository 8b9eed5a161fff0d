"""The hits, as a list or as a grid: a cursor, marks, and only the visible lines ever drawn.

Ten thousand hits cost what the screen shows. Thumbnails are asked for when they come into view.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from imgret.photo import Hit
from imgret.terminal.probe import Graphics
from imgret_tui.cells import THUMBNAIL_COLUMNS, Entry, Styles, grid_line, list_line
from imgret_tui.lit import question_words
from imgret_tui.messages import Chosen, Highlighted
from imgret_tui.pictures import Pictures
from imgret_tui.shown import Wanted

GRID_CELL = Size(22, 9)  # a picture of 21 x 8 and its name
_ROOMY = 9  # lines and more: a list entry may take three


class Results(ScrollView, can_focus=False):
    """The hits of the last answer."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "results--base",
        "results--current",
        "results--cursor",
        "results--mark",
        "results--dim",
        "results--lit",
        "results--warning",
    }
    grid: reactive[bool] = reactive(default=False)
    cursor = reactive(0, repaint=False)

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(id="results")
        self._pictures = pictures
        self._hits: tuple[Hit, ...] = ()
        self._words: frozenset[str] = frozenset()
        self._marks: dict[bytes, Hit] = {}
        self._styles: dict[bool, Styles] = {}

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The hits, best first."""
        return self._hits

    @property
    def current(self) -> Hit | None:
        """The hit under the cursor."""
        return self._hits[self.cursor] if self._hits else None

    @property
    def marked(self) -> list[Hit]:
        """The marked photos in the order in which they were marked; they stay marked over questions."""
        return list(self._marks.values())

    @property
    def capacity(self) -> int:
        """How many hits two screens show."""
        return 2 * self._across * (1 + self._room.height // self._entry.height)

    def show(self, hits: tuple[Hit, ...], question: str, *, keep: bool) -> None:
        """Show an answer; with `keep`, the cursor stays on its photo if that is still there."""
        before = self.current
        self._hits = hits
        self._words = question_words(question)
        places = {hit.path: place for place, hit in enumerate(hits)} if keep and before else {}
        place = places.get(before.path, 0) if before else 0
        self._lay_out()
        if place == self.cursor:
            self.post_message(Highlighted(self.current))
        else:
            self.cursor = place
        if not keep:
            self.scroll_to(y=0, animate=False, force=True)
        self._ask_for_pictures()
        self.refresh()

    def replace(self, path: bytes, hit: Hit) -> None:
        """Show a changed hit in the place of the one with that path."""
        self._hits = tuple(hit if known.path == path else known for known in self._hits)
        self.refresh()

    def picture_ready(self, path: bytes) -> None:
        """Draw what shows that photo."""
        for place in self._visible():
            if self._hits[place].path == path:
                self._refresh_entry(place)

    def load_again(self) -> None:
        """Ask for what is in view and not there any more."""
        self._ask_for_pictures()
        self.refresh()

    def move(self, rows: int, columns: int = 0) -> None:
        """Move the cursor by rows and columns of the layout, as far as there are hits."""
        if self._hits:
            self.cursor = self.cursor + rows * self._across + columns

    def move_page(self, direction: int) -> None:
        """Move by what is visible."""
        self.move(direction * max(1, self._room.height // self._entry.height))

    def move_end(self, direction: int) -> None:
        """Move to the first or the last hit."""
        self.cursor = 0 if direction < 0 else len(self._hits) - 1

    def toggle_mark(self) -> None:
        """Mark or unmark the photo under the cursor."""
        hit = self.current
        if hit is not None:
            if self._marks.pop(hit.path, None) is None:
                self._marks[hit.path] = hit
            self._refresh_frame(self.cursor)

    @property
    def all_marked(self) -> bool:
        """Whether every hit is marked."""
        return all(hit.path in self._marks for hit in self._hits)

    def toggle_all_marks(self) -> bool:
        """Mark every hit, or none when all are marked. -> whether they are marked now."""
        marking = not self.all_marked
        if marking:
            self._marks.update((hit.path, hit) for hit in self._hits)
        else:
            for hit in self._hits:
                del self._marks[hit.path]
        self.refresh()
        return marking

    def validate_cursor(self, place: int) -> int:
        """The cursor stands on a hit."""
        return max(0, min(place, len(self._hits) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        """Show where the cursor is now."""
        if not self.is_mounted:
            return
        for place in (before, now):
            self._refresh_frame(place)
        self.scroll_to_region(self._region(now), animate=False, force=True)
        self.post_message(Highlighted(self.current))

    def watch_grid(self) -> None:
        """Lay the hits out anew around the cursor."""
        if self.is_mounted:
            self._lay_out()
            self.scroll_to_region(self._region(self.cursor), animate=False, force=True)
            self._ask_for_pictures()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for the pictures that come into view."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._ask_for_pictures()

    def on_resize(self) -> None:
        """Lay out for the new size."""
        self._lay_out()
        self.scroll_to_region(self._region(self.cursor), animate=False, force=True)
        self._ask_for_pictures()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._styles.clear()

    def on_click(self, event: events.Click) -> None:
        """Move to the photo clicked at; a second click chooses it."""
        entry = self._entry
        column, line = event.x // entry.width, event.y + self.scroll_offset.y
        place = line // entry.height * self._across + column
        if column < self._across and 0 <= place < len(self._hits):
            self.cursor = place
            if event.chain > 1:
                self.post_message(Chosen((self._hits[place],)))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self._room.width
        base = self._styles_of(current=False).base
        line, (across, entry) = y + self.scroll_offset.y, (self._across, self._entry)
        first, row = line // entry.height * across, line % entry.height
        segments: list[Segment] = []
        for place in range(first, min(first + across, len(self._hits))):
            segments += self._entry_line(place, row, entry)
        return Strip(segments).adjust_cell_length(width, base)

    @property
    def _room(self) -> Size:
        """The cells left beside the scroll bar."""
        return self.scrollable_content_region.size

    @property
    def _entry(self) -> Size:
        """The cells of one photo."""
        if self.grid:
            height = min(GRID_CELL.height, max(2, self._room.height))
            return Size(max(1, self._room.width // self._across), height)
        return Size(max(1, self._room.width), 3 if self._room.height >= _ROOMY else 1)

    @property
    def _across(self) -> int:
        """How many photos stand beside each other."""
        return max(1, self._room.width // GRID_CELL.width) if self.grid else 1

    @property
    def _thumbnail(self) -> int:
        """The columns of a thumbnail in the list; 0 where there is no room for one."""
        roomy = self._entry.height == 3 and self._room.width >= 3 * THUMBNAIL_COLUMNS
        return THUMBNAIL_COLUMNS if roomy and self._pictures.terminal.graphics is not Graphics.NONE else 0

    def _entry_line(self, place: int, row: int, entry: Size) -> list[Segment]:
        hit, current = self._hits[place], place == self.cursor
        wanted = self._wanted(hit)
        shown = Entry(
            hit, self._words, current, hit.path in self._marks, self._pictures.get(wanted) if wanted else None
        )
        if self.grid:
            styles = self._styles_of(current=current and row == entry.height - 1)
            return grid_line(shown, row, entry.height, entry.width, styles)
        styles = self._styles_of(current=current)
        return list_line(shown, row, entry.height, entry.width, styles, self._thumbnail)

    def _wanted(self, hit: Hit) -> Wanted | None:
        if self.grid:
            entry = self._entry
            return Wanted(hit.path, entry.width - 1, entry.height - 1)
        return Wanted(hit.path, self._thumbnail, 3) if self._thumbnail else None

    def _region(self, place: int) -> Region:
        entry = self._entry
        row, column = divmod(place, self._across)
        return Region(column * entry.width, row * entry.height, entry.width, entry.height)

    def _visible(self) -> range:
        entry, across = self._entry, self._across
        first = self.scroll_offset.y // entry.height * across
        last = -(-(self.scroll_offset.y + self._room.height) // entry.height) * across
        return range(min(first, len(self._hits)), min(last, len(self._hits)))

    def _refresh_entry(self, place: int) -> None:
        self.refresh(self._region(place).translate(-self.scroll_offset))

    def _refresh_frame(self, place: int) -> None:
        """Draw what shows the cursor and the mark: in the grid the name alone, since pictures cost bytes."""
        region = self._region(place)
        if self.grid:
            region = Region(region.x, region.bottom - 1, region.width, 1)
        self.refresh(region.translate(-self.scroll_offset))

    def _lay_out(self) -> None:
        rows = -(-len(self._hits) // self._across)
        self.virtual_size = Size(self._room.width, rows * self._entry.height)

    def _ask_for_pictures(self) -> None:
        wanted = [self._wanted(self._hits[place]) for place in self._visible()]
        self._pictures.want_thumbnails([one for one in wanted if one is not None])

    def _styles_of(self, *, current: bool) -> Styles:
        if current not in self._styles:
            base = self.get_component_rich_style("results--current" if current else "results--base")
            background = Style(bgcolor=base.bgcolor)
            parts = (
                self.get_component_rich_style(f"results--{part}", partial=True) + background
                for part in ("cursor", "mark", "dim", "lit", "warning")
            )
            self._styles[current] = Styles(base, *parts)
        return self._styles[current]
