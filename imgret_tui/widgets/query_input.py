"""The query input, and what is shown in place of the counts where the query is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Input, Static

from imgret.errors import ImgretError, QueryError
from imgret.terminal.clean import clean
from imgret_tui.widgets.ordered_keys import OrderedKeys, actions_of

_MARGIN = 2  # cells before the line of an error


class OrderedInput(OrderedKeys, Input):
    """An input of one line that handles keys in the order in which they were typed."""

    own_actions = actions_of(Input)


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

    def show(self, error: ImgretError | None, query: str = "", scrolled: int = 0) -> None:
        """Show an error, or hide the line. `query` is what the error is about; its input is scrolled by `scrolled` cells."""
        self.display = error is not None
        if error is None:
            return
        text, hint = clean(str(error)), f"  {clean(error.hint)}" if error.hint else ""
        if isinstance(error, QueryError):
            at = cell_len(clean(query)[: error.position]) - scrolled
            text = marked(text, at, self.app.size.width - _MARGIN - cell_len(hint))
        self.update(Content.assemble((text, "$text-error"), (hint, "$muted")))


def marked(text: str, at: int, width: int) -> str:
    """The text after a mark below cell `at`; before the mark if only there it fits into `width` cells."""
    before = at - cell_len(text) - 1
    if before >= 0 and at + 2 + cell_len(text) > width:
        return f"{' ' * before}{text} ▲"
    return f"{' ' * max(0, at)}▲ {text}"


def is_half_typed(query: str, error: ImgretError) -> bool:
    """Whether an error is about the last word of a query, which is perhaps not finished."""
    if not isinstance(error, QueryError) or not query or query[-1].isspace():
        return False
    start = query.rfind(" ") + 1
    opened = query.rfind('"') if query.count('"') % 2 else len(query)  # a quoted value may have spaces
    return error.position >= min(start, query.rfind(" ", 0, opened) + 1)
