"""The main screen's queries: when they are searched, and what becomes of their results and errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from textual.timer import Timer
from textual.widgets import Input

from imgret.errors import ImgretError, QueryError
from imgret.photo import Hit
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.empty_state import empty_lines, error_lines
from imgret_tui.key_names import written
from imgret_tui.keymap import Keymap
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.picker_messages import (
    CursorMoved,
    DetailsReady,
    InputReady,
    QueryFailed,
    ResultsReady,
)
from imgret_tui.query_history import QueryHistory
from imgret_tui.query_tracker import FIRST_LIMIT, QueryTracker
from imgret_tui.screens.search_layout import SearchLayout
from imgret_tui.search_backend import IndexStatus
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.widgets.query_input import is_half_typed

DEBOUNCE_SECONDS = 0.03  # less than between two keys of a fast typist, more than between those of a paste
EXTENSION_FACTOR = 4  # times as many hits are requested when the cursor reaches the last one


class QueryScreen(SearchLayout):
    """How queries become hits. Subclasses add what the keys do with the hits."""

    def __init__(
        self,
        query: str,
        backend: BackendThreads,
        images: TerminalImages,
        history: QueryHistory,
        keymap: Keymap,
        memory: LayoutMemory,
        *,
        multi: bool,
    ) -> None:
        """`query`: the first one. `multi`: several photos can be marked."""
        super().__init__(images, self._request_details, keymap, memory, multi=multi)
        self._multi = multi
        self._keymap = keymap
        self._backend = backend
        self._history = history
        self._tracker = QueryTracker(query)
        self._debounce: Timer | None = None
        self._edited_at = 0.0  # when the input last changed, by time.monotonic
        self._notices: tuple[str, ...] = ()
        self._total: int | None = None
        self._error: QueryFailed | None = None  # about a word that is perhaps not finished
        self._indexed_photos = 0

    def on_mount(self) -> None:
        """Start the first search after the first screen was drawn."""
        self.set_query_text(self._tracker.current.text)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.search()
        self.post_message(InputReady())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search at once; after a paste or a key that is held down, when the input pauses."""
        if event.input is self.query_input and self._is_edited:
            before, self._edited_at = self._edited_at, time.monotonic()
            if self._edited_at - before > DEBOUNCE_SECONDS:
                self.search()
                return
            if self._debounce is not None:
                self._debounce.stop()
            self._debounce = self.set_timer(DEBOUNCE_SECONDS, self._search_if_edited)

    def _search_if_edited(self) -> None:
        if self._is_edited:
            self.search()

    @property
    def is_searching(self) -> bool:
        """Whether the final results of the newest query have not arrived yet."""
        return not self._tracker.is_finished

    @property
    def searched_text(self) -> str:
        """The text of the newest query; the input may have changed since."""
        return self._tracker.current.text

    @property
    def _is_edited(self) -> bool:
        return self.query_input.value != self.searched_text

    def search(self, similar_to: bytes | None = None, *, limit: int = 0, skip_words: bool = False) -> None:
        """Search for the text of the input, or for photos similar to the one at a path.

        `limit`: the largest number of hits; 0: as many as two pages show. `skip_words`: see `Query`.
        """
        if self._debounce is not None:
            self._debounce.stop()
        limit = limit or max(FIRST_LIMIT, self.hit_list.hit_layout.capacity)
        query = self._tracker.start(self.query_input.value, similar_to, limit, skip_words=skip_words)
        self._backend.search(query)
        self._show_counts()

    def _repeat(self, limit: int) -> None:
        """Repeat the newest query with a larger limit."""
        self.search(self._tracker.current.similar_to, limit=limit, skip_words=True)

    def show_results(self, message: ResultsReady) -> bool:
        """Show results, unless they are of an older query. -> whether they were shown."""
        tracker = self._tracker
        if not tracker.accepts(message.number):
            return False
        # A cursor that the user has moved stays on its photo when better results of the same query arrive.
        keep_cursor = self.hit_list.cursor > 0 and (tracker.has_results or tracker.current.skip_words)
        tracker.record_results(final=message.final)
        hits = message.results.hits
        self._error = None
        self.query_error.show(None)
        self.status_line.display = True
        self._notices = message.results.notices
        self._total = message.results.total
        self.hit_list.show(hits, self.searched_text, keep_cursor=keep_cursor)
        if hits:
            self.show_empty(())
        elif message.final:
            self.show_empty(empty_lines(self.searched_text, self._notices, self._query_keys()))
        self._show_counts()
        return True

    def _query_keys(self) -> list[tuple[str, str]]:
        """The keys that widen a query that found nothing."""
        wanted = {"backward-kill-word": "deletes the last word", "unix-line-discard": "empties the query"}
        keys = {key.name: key for key in self._keymap.keys if key.keys}
        has_query = bool(self.searched_text.strip())
        return [
            (written(keys[name].keys[0]), text) for name, text in wanted.items() if has_query and name in keys
        ]

    def show_query_error(self, message: QueryFailed) -> None:
        """Show what is wrong with the query; the last hits stay.

        An error of the word that is being typed waits until the word is finished, except in place of another error.
        """
        if not self._tracker.accepts(message.number):
            return
        self._tracker.record_error()
        shown = self.query_error.display
        if self._edited_at and not shown and is_half_typed(self.searched_text, message.error):
            self._error = message
        else:
            self._show_error(message.error)
        self._show_counts()

    def _show_error(self, error: ImgretError) -> None:
        self._error = None
        if isinstance(error, QueryError):
            self.query_error.show(error, self.searched_text, self.query_input.scroll_offset.x)
            self.status_line.display = False
            if not self.hit_list.hits:
                self.show_empty(error_lines(error))  # not why another query found nothing
        else:
            self.show_empty(error_lines(error))

    def _show_counts(self) -> None:
        count = len(self.hit_list.hits)
        is_partial = self._tracker.is_finished and not self._tracker.has_all(count)
        self.show_counts(
            has_text=bool(self.searched_text.strip()),
            searching=self.is_searching,
            notices=self._notices if count else (),
            total=self._total if is_partial else None,
        )

    def on_cursor_moved(self, message: CursorMoved) -> None:
        """Show the photo under the cursor; at the last hit, request more hits."""
        self._show_photo()
        self.hit_list.keep_page()
        count, limit = len(self.hit_list.hits), self._tracker.current.limit
        at_end = message.hit is not None and self.hit_list.cursor == count - 1
        if at_end and count >= limit and self._tracker.is_finished:
            self._repeat(limit * EXTENSION_FACTOR)

    def _show_photo(self) -> None:
        self.photo_pane.show(self.hit_list.current, self.searched_text)

    def _request_details(self, path: bytes) -> None:
        self._backend.run("details", lambda backend: DetailsReady(path, backend.details(path)))

    def show_changed_file(self, path: bytes) -> None:
        """Load the images and details of a photo again, because its file changed."""
        self.hit_list.reload_thumbnails()
        self.photo_pane.file_changed(path)

    def show_status(self, status: IndexStatus) -> None:
        """Show the status; if there are no hits, search again once there are more photos."""
        has_more = status.photos > self._indexed_photos
        self._indexed_photos = status.photos
        self.status_line.show_status(status)
        self.hit_list.show_roots(status.roots)
        self._show_counts()
        if has_more and not self.hit_list.hits and not self.is_searching:
            self.search()

    def show_note(self, path: bytes, text: str) -> None:
        """Show a note that was saved."""
        self._change_hit(path, lambda hit: replace(hit, note=text or None))

    def show_metadata(self, path: bytes, metadata: dict[str, Any] | None) -> None:
        """Show keywords and a rating that were saved."""
        self._change_hit(path, lambda hit: replace(hit, shown={**hit.shown, "metadata": metadata}))

    def _change_hit(self, path: bytes, changed: Callable[[Hit], Hit]) -> None:
        for hit in self.hit_list.hits:
            if hit.path == path:
                self.hit_list.replace(changed(hit))
        self._show_photo()
