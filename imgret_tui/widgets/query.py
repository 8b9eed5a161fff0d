"""The line that is typed into, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.widgets import Input, Static

from imgret.errors import ImgretError, QueryError
from imgret.terminal.clean import clean
from imgret_tui import keymap

_OWN = {key: binding.action for binding in Input.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]


class LineInput(Input):
    """A line that takes its keys in the order in which they were typed.

    Textual's own inserts letters at once, but passes backspace, arrows and other bound keys on to the
    app, which runs them later: of a burst, letters overtake them. Here every key is done when it comes.
    """

    SCREEN_ACTIONS: ClassVar[Mapping[str, str]] = {}  # key -> action of the screen; before those of the line

    async def on_key(self, event: events.Key) -> None:
        """Run what the key is bound to, if it is; letters are left to Textual."""
        if self.app.screen is not self.screen:
            # Typed behind a key that opened another screen, and meant for that one.
            event.stop().prevent_default()
            key = events.Key(event.key, event.character)
            self.app.screen.call_after_refresh(self.app.post_message, key)
            return
        action, target = self.SCREEN_ACTIONS.get(event.key), self.screen
        if action is None:
            action, target = _OWN.get(event.key), self  # type: ignore[assignment]
        if action is not None and await self.app.run_action(action, target):
            event.stop().prevent_default()


class QueryInput(LineInput):
    """The question. It always has the focus; the keys of the key map come before its own."""

    SCREEN_ACTIONS = keymap.actions()

    def __init__(self) -> None:
        super().__init__(
            placeholder="two dogs on a beach after:2019 dog>=2 -indoor",
            id="question",
            compact=True,
            select_on_focus=False,
        )
        self.cursor_blink = False  # a line that changes twice a second is sent twice a second


class QueryProblem(Static):
    """One sentence under the question, with a mark under the place it speaks of."""

    def __init__(self) -> None:
        super().__init__("", id="problem", markup=False)
        self.display = False

    def show(self, error: ImgretError | None) -> None:
        """Say what is wrong, or nothing."""
        self.display = error is not None
        if error is None:
            return
        text = clean(str(error))
        if isinstance(error, QueryError):
            text = f"{' ' * error.position}▲ {text}"
        hint = f"  {clean(error.hint)}" if error.hint else ""
        self.update(Content.assemble((text, "$text-error"), (hint, "$muted")))
