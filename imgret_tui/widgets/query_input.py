"""The query input, and the line below it that says what is wrong with the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.widgets import Input, Static

from imgret.errors import ImgretError, QueryError
from imgret.terminal.clean import clean
from imgret_tui import keymap

_INPUT_ACTIONS = {
    key: binding.action  # type: ignore[union-attr]
    for binding in Input.BINDINGS
    for key in binding.key.split(",")  # type: ignore[union-attr]
}


class OrderedInput(Input):
    """An input that handles keys in the order in which they were typed.

    Textual's own inserts letters at once, but sends backspace, arrows and other bound keys to the app, which
    runs them later: if keys come fast, letters overtake them. Here every key is handled when it arrives.
    """

    SCREEN_ACTIONS: ClassVar[Mapping[str, str]] = {}  # key -> action of the screen; before those of the input

    async def on_key(self, event: events.Key) -> None:
        """Run the action of the key, if it has one; Textual handles letters."""
        if self.app.screen is not self.screen:
            # It was typed after a key that opened another screen, and is meant for that screen.
            event.stop().prevent_default()
            key = events.Key(event.key, event.character)
            self.app.screen.call_after_refresh(self.app.post_message, key)
            return
        action, target = self.SCREEN_ACTIONS.get(event.key), self.screen
        if action is None:
            action, target = _INPUT_ACTIONS.get(event.key), self  # type: ignore[assignment]
        if action is not None and await self.app.run_action(action, target):
            event.stop().prevent_default()


class QueryInput(OrderedInput):
    """The query. It always has the focus; the keys of the key map come before its own."""

    SCREEN_ACTIONS = keymap.actions_by_key()

    def __init__(self) -> None:
        super().__init__(
            placeholder="two dogs on a beach after:2019 dog>=2 -indoor",
            id="query",
            compact=True,
            select_on_focus=False,
        )
        self.cursor_blink = False  # blinking would send the line to the terminal twice a second


class QueryErrorLine(Static):
    """One sentence below the query, with a mark below the position that it is about."""

    def __init__(self) -> None:
        super().__init__("", id="query-error", markup=False)
        self.display = False

    def show(self, error: ImgretError | None) -> None:
        """Show an error, or hide the line."""
        self.display = error is not None
        if error is None:
            return
        text = clean(str(error))
        if isinstance(error, QueryError):
            text = f"{' ' * error.position}▲ {text}"
        hint = f"  {clean(error.hint)}" if error.hint else ""
        self.update(Content.assemble((text, "$text-error"), (hint, "$muted")))
