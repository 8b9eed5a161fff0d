"""The page of near-duplicates: one group at a time, whose copies can be marked. Nothing is deleted."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from imgret.photo import Hit
from imgret.terminal.probe import Graphics
from imgret_tui import keymap
from imgret_tui.hit_texts import HOME, home_text, shared_folder
from imgret_tui.picker_messages import PhotosChosen
from imgret_tui.search_backend import DuplicateGroups
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.widgets.copy_list import CopyList
from imgret_tui.widgets.key_bar import KeyBar

MOST_GROUPS = 2_000  # shown; `imgret dupes` prints all
_KINDS = {"exact": "equal pixels", "similar": "similar", "burst": "a burst"}
_KEYS = (("n p", "group"), ("↑ ↓", "copy"))
_SIDE_BY_SIDE_KEYS = (("↑ ↓", "group"), ("← →", "copy"))
_EMPTY = "No near-duplicates were found.\n\n`imgret dupes --help` describes what is compared; esc goes back"
_MARKING_KEYS = (("tab", "mark"), ("a", "mark all but the best"))
_LAST_KEYS = (("enter", "print"), ("ctrl+o", "layout"), ("esc", "back"))


class DuplicatesScreen(Screen[None]):
    """Shows the groups once `show_groups` has them."""

    BINDINGS: ClassVar[list[BindingType]] = list(keymap.bindings_of(keymap.COPIES_KEYS))

    def __init__(self, images: TerminalImages, *, multi: bool) -> None:
        """`multi`: several photos can be marked."""
        super().__init__()
        self._multi = multi
        self._found: DuplicateGroups | None = None
        self._number = 0
        self._title = Static("comparing all photos\u2026", classes="group-title", markup=False)
        self._key_bar = KeyBar(())
        self.hit_list = CopyList(images)
        self.set_grid(is_grid=images.terminal.graphics is not Graphics.NONE)

    def compose(self) -> ComposeResult:
        """The group, its copies, and the keys."""
        yield self._title
        yield Static(_EMPTY, id="empty", markup=False)
        yield self.hit_list
        yield self._key_bar

    def set_grid(self, *, is_grid: bool) -> None:
        """Show the copies side by side, or as a list."""
        self.hit_list.is_grid = is_grid
        keys = _SIDE_BY_SIDE_KEYS if is_grid else _KEYS
        self._key_bar.show((*keys, *(_MARKING_KEYS if self._multi else ()), *_LAST_KEYS))

    @property
    def is_loading(self) -> bool:
        """Whether the groups have not arrived yet."""
        return self._found is None

    def show_groups(self, found: DuplicateGroups) -> None:
        """Show the first group; a page that was shown before stays on its group."""
        self._found = found
        self._number = min(self._number, max(0, len(found.groups) - 1))
        self._show_group()

    def _show_group(self) -> None:
        if self._found is None or not self._found.groups:
            self._show_title()
            return
        self.hit_list.show(self._found.groups[self._number].hits, "", keep_cursor=False)
        self._show_title()

    def _show_title(self) -> None:
        if self._found is None:
            return
        groups = self._found.groups
        if not groups:
            self._title.display = self.hit_list.display = False
            self.add_class("-empty")
            return
        group = groups[self._number]
        of = f"{len(groups)}{', and more: `imgret dupes` prints all' if self._found.has_more else ''}"
        kind = "equal files" if group.is_one_content else _KINDS[group.kind]
        parts = [f"group {self._number + 1} of {of}", kind, f"{len(group.hits)} copies"]
        if marked := len(self.hit_list.marked):
            parts.append(f"{marked} marked")
        if folder := shared_folder(group.hits):
            parts.append(home_text(folder, HOME))
        self._title.update(" \u00b7 ".join(parts))

    def action_move_group(self, direction: int) -> None:
        """Show the next (1) or the previous (-1) group."""
        if self._found is not None and 0 <= self._number + direction < len(self._found.groups):
            self._number += direction
            self._show_group()

    def action_move(self, right: int, down: int) -> None:
        """Move the cursor to a copy beside, above or below it.

        In a list, right and left show other groups; beside each other, so do up and down where there is no further row.
        """
        hits = self.hit_list
        if not hits.is_grid:
            self.action_move_group(right) if right else hits.move(0, down)
        elif right:
            hits.move(0, right)
        elif 0 <= hits.cursor + down * hits.hit_layout.columns < len(hits.hits):
            hits.move(down)
        else:
            self.action_move_group(down)

    def action_mark(self) -> None:
        """Mark the copy, or unmark it, and go to the next one."""
        if self._can_mark():
            self.hit_list.toggle_mark()
            self.hit_list.move(0, 1)
            self._show_title()

    def action_mark_others(self) -> None:
        """Mark all but the best copy of the group; if they are marked, unmark them."""
        if self._can_mark():
            self.hit_list.toggle_marks(self.hit_list.hits[1:])
            self._show_title()

    def action_toggle_grid(self) -> None:
        """Show the copies side by side or as a list."""
        self.set_grid(is_grid=not self.hit_list.is_grid)

    def action_choose(self) -> None:
        """Choose the marked photos, or the current one."""
        current = self.hit_list.current
        chosen: list[Hit] = self.hit_list.marked or ([current] if current else [])
        if chosen:
            self.post_message(PhotosChosen(tuple(chosen)))

    def action_close(self) -> None:
        """Back to the search."""
        self.dismiss(None)

    def _can_mark(self) -> bool:
        if not self._multi:
            self.notify("start it with --multi to mark several", markup=False)
        return self._multi
