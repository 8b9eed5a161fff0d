"""The line that is typed into, and what is wrong with it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Input, Static

from imgret.errors import ImgretError, QueryError
from imgret.terminal.clean import clean


class QueryInput(Input):
    """The question. It always has the focus; the keys of the key map come before its own."""

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
