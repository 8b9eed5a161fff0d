"""The search: a question, its hits, and the photo under the cursor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from imgret.photo import Hit
from imgret_tui import keymap
from imgret_tui.history import History
from imgret_tui.librarian import LIMIT, MOST, Librarian, Question
from imgret_tui.library import Details as Known
from imgret_tui.library import State
from imgret_tui.messages import Chosen, DetailsKnown, Highlighted, Listening
from imgret_tui.pictures import Pictures
from imgret_tui.widgets.details import Details
from imgret_tui.widgets.preview import Preview
from imgret_tui.widgets.query import QueryInput, QueryProblem
from imgret_tui.widgets.result_list import Results
from imgret_tui.widgets.status import StatusLine

if TYPE_CHECKING:
    from imgret_tui.messages import Answered, Refused

DEBOUNCE = 0.03  # seconds: less than between two keys of a fast typist, more than a paste needs
MORE = 4  # times as many hits, when the cursor comes to the last
_SMALL = (60, 12)  # columns and lines below which there is no room for a preview
NOTHING_YET = """No photos yet.

imgret index ~/Pictures    describes a folder now
imgret add ~/Pictures      lets the daemon watch it
imgret demo                shows how it works, without weights or photos"""
_FLAT = 20  # lines below which the preview stands without details


class SearchScreen(Screen[None]):
    """The only screen that is always there."""

    BINDINGS: ClassVar[list[BindingType]] = list(keymap.bindings())
    AUTO_FOCUS = "#question"

    def __init__(
        self, question: str, librarian: Librarian, pictures: Pictures, history: History, *, multi: bool
    ) -> None:
        super().__init__()
        self._first = question
        self._multi = multi
        self._librarian = librarian
        self._history = history
        self._number = 0  # of the last question asked
        self._shown = 0  # the last question with an answer on the screen
        self._answered = 0  # the last question with a final answer
        self._leaving = 0  # the question whose first answer is to be chosen
        self._marking = 0  # the question whose answer is to be marked as a whole
        self._asked = Question(0, question)
        self._timer: Timer | None = None
        self._changed_at = 0.0  # when the question last was, by time.monotonic
        self._known: dict[bytes, Known] = {}
        self._remark = ""
        self._photos = 0  # in the index
        self.question = QueryInput()
        self.problem = QueryProblem()
        self.results = Results(pictures)
        self.preview = Preview(pictures)
        self.details = Details()
        self.status = StatusLine()

    def compose(self) -> ComposeResult:
        """The question, the hits beside the photo, the status."""
        with Horizontal(id="ask"):
            yield Static("›", id="prompt", markup=False)
            yield self.question
        yield self.problem
        yield Static(NOTHING_YET, id="hint", markup=False)
        with Horizontal(id="body"):
            yield self.results
            with Vertical(id="side"):
                yield self.preview
                yield self.details
        yield self.status

    def on_mount(self) -> None:
        """The first answer is asked for when the first screen has been painted."""
        self._write(self._first)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.ask()
        self.post_message(Listening())

    def on_resize(self, event: events.Resize) -> None:
        """Drop what there is no room for."""
        self.set_class(event.size.width < _SMALL[0] or event.size.height < _SMALL[1], "-small")
        self.set_class(event.size.height < _FLAT, "-flat")

    def on_screen_suspend(self) -> None:
        """Something opens over the search."""
        self.preview.cover(covered=True)

    def on_screen_resume(self) -> None:
        """The search is on top again, and is painted until the screen above has gone: only then is all still.

        The app waits for that screen in its own queue and lays this one out behind it; what is called
        from there comes after, and once that is painted.
        """
        self.app.call_later(self.app.call_next, self.call_after_refresh, self._uncover)

    def _uncover(self) -> None:
        if self.is_current:
            self.preview.cover(covered=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Ask at once; what follows faster than anyone types, of a paste or a key held down, when it pauses."""
        if event.input is self.question and self.question.value != self._asked.text:
            before, self._changed_at = self._changed_at, time.monotonic()
            if self._changed_at - before > DEBOUNCE:
                self.ask()
                return
            if self._timer is not None:
                self._timer.stop()
            self._timer = self.set_timer(DEBOUNCE, self._ask_after_pause)

    def _ask_after_pause(self) -> None:
        if self.question.value != self._asked.text:  # or it was asked meanwhile
            self.ask()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter, after all that was typed before it."""
        event.stop()
        self.action_choose()

    @property
    def is_searching(self) -> bool:
        """Whether the final answer to the last question is still to come."""
        return self._number == 0 or self._answered != self._number

    @property
    def is_asking_details(self) -> bool:
        """Whether more is still to be known of the photo under the cursor."""
        return self.results.current is not None and self.results.current.path not in self._known

    @property
    def asked_text(self) -> str:
        """The words last asked for; the input may have gone on."""
        return self._asked.text

    def ask(self, like: bytes | None = None, *, limit: int = 0) -> None:
        """Ask what stands in the input, or for photos like one; with a limit, for more of the same hits."""
        if self._timer is not None:
            self._timer.stop()
        self._number += 1
        first = max(LIMIT, self.results.capacity)
        self._asked = Question(self._number, self.question.value, like, limit or first, more=limit > 0)
        self._librarian.ask(self._asked)
        self._show_counts()

    def show_answer(self, answer: Answered) -> None:
        """Show an answer, unless it is stale."""
        if answer.number != self._number or self._answered == answer.number:
            return
        # A cursor that was moved since the question stays on its photo when the better answer comes.
        keep = self.results.cursor > 0 and (self._shown == answer.number or self._asked.more)
        self._shown = answer.number
        if answer.final:
            self._answered = answer.number
        self.problem.show(None)
        self._remark = answer.found.remark
        self.results.show(answer.found.hits, self._asked.text, keep=keep)
        if self._marking == answer.number and answer.final:
            self._mark_all()
        if self._leaving == answer.number and (answer.final or answer.found.hits):
            self._leave()
        nothing = answer.final and not answer.found.hits and not self._asked.text.strip()
        self.set_class(nothing, "-empty")
        self._show_counts()

    def show_refusal(self, refusal: Refused) -> None:
        """Say what is wrong with the question; the last hits stay."""
        if refusal.number == self._number:
            self._answered = refusal.number
            self.problem.show(refusal.error)
            self._show_counts()

    def _show_counts(self) -> None:
        hits = self.results.hits
        strong = sum(hit.strength == "strong" for hit in hits) if self._asked.text.strip() else 0
        self.status.show_hits(
            len(hits),
            strong,
            len(self.results.marked),
            self._remark,
            poor=bool(hits) and all(hit.strength == "weak" for hit in hits),
            searching=self.is_searching,
        )

    def on_highlighted(self, message: Highlighted) -> None:
        """Show the photo under the cursor; at the last hit, ask for more of them."""
        self.show_photo(message.hit)
        count = len(self.results.hits)
        at_end = message.hit is not None and self.results.cursor == count - 1
        if at_end and count >= self._asked.limit and self._answered == self._number:
            self.ask(self._asked.like, limit=self._asked.limit * MORE)

    def show_photo(self, hit: Hit | None) -> None:
        """Show this photo beside the hits, and ask what else is known of it."""
        self.preview.show(hit)
        self.details.show(hit, self._known.get(hit.path) if hit else None, self._asked.text)
        if hit is not None and hit.path not in self._known:
            path = hit.path
            self._librarian.do("details", lambda library: DetailsKnown(path, library.details(path)))

    def show_details(self, path: bytes, known: Known) -> None:
        """Add what became known of a photo."""
        self._known[path] = known
        hit = self.results.current
        if hit is not None and hit.path == path:
            self.details.show(hit, known, self._asked.text)

    def show_file_again(self, path: bytes) -> None:
        """Show a photo whose file was edited, and what is known of it now."""
        self._known.pop(path, None)
        self.results.load_again()
        self.preview.picture_ready(path)
        if self.results.current is not None and self.results.current.path == path:
            self.show_photo(self.results.current)

    def show_state(self, state: State) -> None:
        """Tell how things stand; where nothing was found, ask again once there are more photos."""
        more = state.photos > self._photos
        self._photos = state.photos
        self.status.show_state(state)
        if more and not self.results.hits and not self.is_searching:
            self.ask()

    def hash_of(self, path: bytes) -> bytes | None:
        """The hash of the photo at a path as it is shown; None while its details are not known."""
        known = self._known.get(path)
        return known.hash if known is not None else None

    def show_note(self, path: bytes, text: str) -> None:
        """Show a note that was saved."""
        for hit in self.results.hits:
            if hit.path == path:
                self.results.replace(path, replace(hit, note=text or None))
        self.show_photo(self.results.current)

    def action_move_row(self, direction: int) -> None:
        """Up in an empty question, the question asked before; else to the hit above or below."""
        recalling = not self.question.value or self._history.is_shown
        earlier = self._history.earlier() if direction < 0 and recalling else None
        if earlier is not None:
            self._write(earlier)
            return
        self._history.leave()
        self.results.move(direction)

    def action_move_column(self, direction: int) -> None:
        """Beside, in the grid; in the list the keys move in the question."""
        if self.results.grid:
            self.results.move(0, direction)
        elif direction < 0:
            self.question.action_cursor_left()
        else:
            self.question.action_cursor_right()

    def action_move_page(self, direction: int) -> None:
        """A page up or down."""
        self.results.move_page(direction)

    def action_move_end(self, direction: int) -> None:
        """The first or the last hit."""
        self.results.move_end(direction)

    def action_mark(self, direction: int) -> None:
        """Mark the photo and go on."""
        if self._multi:
            self.results.toggle_mark()
            self.results.move(direction)
            self._show_counts()
        else:
            self.notify("start it with --multi to mark several", markup=False)

    def action_mark_all(self) -> None:
        """Mark every hit of the answer, those not loaded yet too, or none."""
        if not self._multi:
            self.notify("start it with --multi to mark several", markup=False)
        elif self._has_all or (self.results.hits and self.results.all_marked):
            self._mark_all()
        else:
            if self.question.value != self._asked.text:
                self.ask(limit=MOST)
            elif self._marking != self._number:
                self.ask(self._asked.like, limit=MOST)
            self._marking = self._number

    @property
    def _has_all(self) -> bool:
        """Whether all hits of the question that stands there are here, or as many as are marked at once."""
        asked, count = self._asked, len(self.results.hits)
        final = self._answered == self._number and self.question.value == asked.text
        return final and (count < asked.limit or count >= MOST)

    def _mark_all(self) -> None:
        count = len(self.results.hits)
        if not count:
            return
        marked = self.results.toggle_all_marks()
        what = "marked" if marked else "no longer marked"
        first = "the first " if count >= MOST else ""
        self.notify(f"{first}{count} {'photo is' if count == 1 else 'photos are'} {what}", markup=False)
        self._show_counts()

    def action_choose(self) -> None:
        """Leave with what was chosen; a question that was just typed is answered first."""
        if self.question.value != self._asked.text:
            self.ask()
        if self._shown == self._number or self.results.marked:
            self._leave()
        else:
            self._leaving = self._number

    def _leave(self) -> None:
        hits = self.results.marked or ([self.results.current] if self.results.current else [])
        self._history.add(self.question.value)
        self.post_message(Chosen(tuple(hits)))

    def action_more_like_this(self) -> None:
        """Ask for photos like this one."""
        if self.results.current is not None:
            self.ask(self.results.current.path)

    def action_toggle_grid(self) -> None:
        """List or grid."""
        self.results.grid = self.toggle_class("-grid").has_class("-grid")

    def action_toggle_preview(self) -> None:
        """With or without the photo beside the hits."""
        self.toggle_class("-bare")

    def _write(self, question: str) -> None:
        self.question.value = question
        self.question.cursor_position = len(question)
