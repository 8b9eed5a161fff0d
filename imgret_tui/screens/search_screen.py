"""The main screen: what its keys do with the query, the cursor, the marks and the choice."""

from __future__ import annotations

from textual.widgets import Input

from imgret_tui.picker_messages import PhotosChosen, ResultsReady
from imgret_tui.query_tracker import DeferredAction
from imgret_tui.screens.query_screen import QueryScreen

MAX_MARKED_AT_ONCE = 10_000  # hits


class SearchScreen(QueryScreen):
    """The screen that the program begins with."""

    def show_results(self, message: ResultsReady) -> bool:
        """Show results, then do what waited for them."""
        if not super().show_results(message):
            return False
        deferred = self._tracker.deferred
        if DeferredAction.MARK_ALL in deferred and message.final:
            self._toggle_all_marks()
        if DeferredAction.CHOOSE in deferred and (message.final or message.results.hits):
            self._choose()
        return True

    def action_move_row(self, direction: int) -> None:
        """Move up (-1) or down (1); up with an empty query recalls the previous query."""
        recalls = not self.query_input.value or self._history.is_browsing
        query = self._history.previous() if direction < 0 and recalls else None
        if query is not None:
            self.set_query_text(query)
            return
        self._history.stop_browsing()
        self.hit_list.move(direction)

    def action_mark(self, direction: int) -> None:
        """Mark the photo and move on."""
        if self._can_mark():
            self.hit_list.toggle_mark()
            self.hit_list.move(direction)
            self._show_counts()

    def action_mark_all(self) -> None:
        """Mark all hits of the query, also those that are not loaded yet; or unmark all."""
        if not self._can_mark():
            return
        count = len(self.hit_list.hits)
        has_all = not self._is_edited and (
            self._tracker.has_all(count) or (self._tracker.is_finished and count >= MAX_MARKED_AT_ONCE)
        )
        if has_all or (count and self.hit_list.all_marked):
            self._toggle_all_marks()
            return
        if self._is_edited:
            self.search(limit=MAX_MARKED_AT_ONCE, skip_words=True)
        elif DeferredAction.MARK_ALL not in self._tracker.deferred:
            self._repeat(MAX_MARKED_AT_ONCE)
        self._tracker.deferred.add(DeferredAction.MARK_ALL)

    def _can_mark(self) -> bool:
        if not self._multi:
            self.notify("start it with --multi to mark several", markup=False)
        return self._multi

    def _toggle_all_marks(self) -> None:
        count = len(self.hit_list.hits)
        if not count:
            return
        state = "marked" if self.hit_list.toggle_all_marks() else "no longer marked"
        first = "the first " if count >= MAX_MARKED_AT_ONCE else ""
        self.notify(f"{first}{count} {'photo is' if count == 1 else 'photos are'} {state}", markup=False)
        self._show_counts()

    def action_choose(self) -> None:
        """Choose the marked photos or the current one; if the query was just edited, once its results are there."""
        if self._error is not None and not self._is_edited:
            self._show_error(self._error.error)
            return
        self._search_if_edited()
        if self._tracker.has_results or self.hit_list.marked:
            self._choose()
        else:
            self._tracker.deferred.add(DeferredAction.CHOOSE)

    def _choose(self) -> None:
        hits = self.hit_list.marked or ([self.hit_list.current] if self.hit_list.current else [])
        self._history.add(self.query_input.value)
        self.post_message(PhotosChosen(tuple(hits)))

    def action_recall(self) -> None:
        """Write the previous query into the input."""
        query = self._history.previous()
        if query is not None:
            self.set_query_text(query)

    def action_delete_or_abort(self) -> None:
        """Delete the letter after the cursor; quit if there is no query."""
        if self.query_input.value:
            self.query_input.action_delete_right()
        else:
            self.app.call_later(self.app.run_action, "app.abort")

    def action_more_like_this(self) -> None:
        """Search for photos similar to the current one."""
        if self.hit_list.current is not None:
            self.search(self.hit_list.current.path)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter, handled after all keys that were typed before it."""
        event.stop()
        self.action_choose()
