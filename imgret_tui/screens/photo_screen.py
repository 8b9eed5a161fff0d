"""One photo on the whole screen, with zoom; the other hits are a key away. Letters are keys, because there is no query."""

from __future__ import annotations

import os
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from imgret_tui import keymap
from imgret_tui.hit_lines import MARK, STRENGTHS, date_text
from imgret_tui.hit_texts import HOME, facts_text, home_text, title_lines
from imgret_tui.keymap import Keymap
from imgret_tui.picker_messages import PhotosChosen
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.widgets.hit_list import HitList
from imgret_tui.widgets.key_bar import KeyBar
from imgret_tui.widgets.photo_preview import Preview

_LARGEST_ZOOM = 8.0
_STEP = 0.5  # of what is seen, that an arrow key moves
_KEYS = (("← →", "next"), ("+ -", "zoom"))
_MARKING_KEYS = (("tab", "mark"),)
_LAST_KEYS = (("enter", "print"), ("e", "note"), ("r", "rating"), ("t", "keywords"), ("o", "open"))


class PhotoScreen(Screen[bool]):
    """Shows the photo under the cursor of the list and moves that cursor. Its result: whether the next layout is wanted."""

    BINDINGS: ClassVar[list[BindingType]] = list(keymap.bindings_of(keymap.PHOTO_KEYS))

    def __init__(
        self, hits: HitList, images: TerminalImages, key_table: Keymap, *, multi: bool, alone: bool
    ) -> None:
        """`multi`: several photos can be marked. `alone`: closing it ends the program."""
        super().__init__()
        self._photo_actions = key_table.photo_actions
        self._hits = hits
        self._multi = multi
        self._alone = alone
        self._zoom = 1.0
        self._middle = (0.5, 0.5)
        self.preview = Preview(images)
        self._text = Static("", classes="photo-text", markup=False)

    def compose(self) -> ComposeResult:
        """The photo, what it shows, and the keys."""
        yield self.preview
        yield self._text
        marking = _MARKING_KEYS if self._multi else ()
        yield KeyBar((*_KEYS, *marking, *_LAST_KEYS, ("esc", "quit" if self._alone else "back")))

    def on_mount(self) -> None:
        """Show the photo under the cursor."""
        self.show_photo()

    def on_resize(self) -> None:
        """Cut its texts for the new width."""
        self.call_after_refresh(self.show_photo)

    async def on_key(self, event: events.Key) -> None:
        """Keys of the search that are about one photo, such as those of the user's commands, work here too."""
        action = self._photo_actions.get(event.key)
        if action is not None and await self.app.run_action(action):
            event.stop().prevent_default()

    def on_screen_suspend(self) -> None:
        """A dialog opens over the photo."""
        self.preview.cover(covered=True)

    def on_screen_resume(self) -> None:
        """The dialog has gone. As in the search, the image is placed when all is drawn."""
        self.app.call_later(self.app.call_next, self.call_after_refresh, self._uncover)

    def _uncover(self) -> None:
        if self.is_current:
            self.preview.cover(covered=False)

    def show_photo(self) -> None:
        """Show the photo under the cursor, and what is known of it now."""
        hit = self._hits.current
        part = None
        if self._zoom > 1:
            half = 0.5 / self._zoom
            self._middle = tuple(max(half, min(1 - half, at)) for at in self._middle)  # type: ignore[assignment]
            x, y = self._middle
            part = (x - half, y - half, x + half, y + half)
        self.preview.show(hit, part)
        if hit is None:
            return
        marked = f"{MARK} " if self._hits.is_marked(hit) else ""
        number = f"{self._hits.cursor + 1} of {len(self._hits.hits)}"
        zoom = f"{self._zoom:g}x" if self._zoom > 1 else ""
        before = "".join(
            f"{fact} · " for fact in (number, zoom, STRENGTHS.get(hit.strength or "", "")) if fact
        )
        width = self._text.content_size.width
        facts = facts_text(
            hit,
            date_text(hit.taken_at, hit.taken_precision),
            home_text(os.path.dirname(hit.path), HOME),
            width - len(before),
        )
        name = title_lines(hit, max(1, width - len(marked)), 1)[0]
        first = Content.assemble((marked, "bold $text-success"), (name, "bold"))
        self._text.update(Content("\n").join([first, Content.styled(before + facts, "$muted")]))

    def action_step(self, direction: int) -> None:
        """Show the next (1) or the previous (-1) photo, all of it."""
        self._zoom, self._middle = 1.0, (0.5, 0.5)
        self._hits.cursor += direction
        self.show_photo()

    def action_zoom(self, factor: float) -> None:
        """Show it larger or smaller; never smaller than the screen."""
        self._zoom = max(1.0, min(_LARGEST_ZOOM, self._zoom * factor))
        self.show_photo()

    def action_fit(self) -> None:
        """Show all of it."""
        self._zoom, self._middle = 1.0, (0.5, 0.5)
        self.show_photo()

    def action_look(self, right: int, down: int) -> None:
        """Move what is seen of a zoomed photo; else show the next or the previous photo."""
        if self._zoom == 1:
            self.action_step(right or down)
            return
        x, y = self._middle
        self._middle = (x + right * _STEP / self._zoom, y + down * _STEP / self._zoom)
        self.show_photo()

    def action_mark(self) -> None:
        """Mark the photo, or unmark it, and show the next one."""
        if not self._multi:
            self.notify("start it with --multi to mark several", markup=False)
            return
        self._hits.toggle_mark()
        self.action_step(1)

    def action_choose(self) -> None:
        """Choose the marked photos, or this one."""
        current = self._hits.current
        chosen = self._hits.marked or ([current] if current else [])
        self.app.post_message(PhotosChosen(tuple(chosen)))

    def action_close(self) -> None:
        """Back to the list; the end of the program if there is none."""
        if self._alone:
            self.app.call_later(self.app.run_action, "app.abort")
        else:
            self.dismiss(result=True)
