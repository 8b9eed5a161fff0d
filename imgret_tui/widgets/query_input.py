"""The query input, and what is shown in place of the counts where the query is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

    actions: Mapping[str, str] = MappingProxyType({})  # by key, before those of the input

    async def on_key(self, event: events.Key) -> None:
        """Run the action of the key, if it has one; Textual handles letters."""
        if self.app.screen is not self.screen:
            # It was typed after a key that opened another screen, and is meant for that screen.
            event.stop().prevent_default()
            key = events.Key(event.key, event.character)
            self.app.screen.call_after_refresh(self.app.post_message, key)
            return
        action, target = self.actions.get(event.key), self.screen
        if action == keymap.IGNORE:
            event.stop().prevent_default()
            return
        if action is None or action.startswith(keymap.INPUT):
            action, target = (action or _INPUT_ACTIONS.get(event.key, "")).removeprefix(keymap.INPUT), self  # type: ignore[assignment]
        if action and await self.app.run_action(action, target):
            event.stop().prevent_default()


class DialogInput(OrderedInput):
    """The input of a dialog, whose actions `save` and `cancel` it runs. As bindings, ctrl+c would overtake enter."""

    actions = MappingProxyType({"enter": "save", "escape": "cancel", "ctrl+c": "cancel"})


class QueryInput(OrderedInput):
    """The query. It always has the focus; the keys of the key map come before its own."""

    def __init__(self, actions: Mapping[str, str]) -> None:
        """`actions` of the screen, the app or this input, by key. Enter submits the query."""
        super().__init__(
            placeholder="two dogs on a beach after:2019 dog>=2 -indoor",
            id="query",
            compact=True,
            select_on_focus=False,
        )
        self.actions = {
            key: action for key, action in actions.items() if key != "enter" or action != "choose"
        }
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


def is_half_typed(query: str, error: ImgretError) -> bool:
    """Whether an error is about the last word of a query, which is perhaps not finished."""
    if not isinstance(error, QueryError) or not query or query[-1].isspace():
        return False
    start = query.rfind(" ") + 1
    opened = query.rfind('"') if query.count('"') % 2 else len(query)  # a quoted value may have spaces
    return error.position >= min(start, query.rfind(" ", 0, opened) + 1)
