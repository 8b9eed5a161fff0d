"""The page that narrows a query down by what its photos have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from imgret.terminal.clean import clean
from imgret_tui.search_backend import Facet

_TITLES = {"place": "Places", "person": "People", "keyword": "Keywords", "album": "Albums"}
_TITLES |= {"object": "Objects", "topic": "Topics", "year": "Years"}


class NarrowDialog(ModalScreen[str | None]):
    """Lists facets with their counts. Its result is the filter of the chosen one, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f5,q,ctrl+c,ctrl+g", "close", "Close", priority=True),
        Binding("down,j,ctrl+j,ctrl+n", "move(1)", "Down", priority=True),
        Binding("up,k,ctrl+k,ctrl+p", "move(-1)", "Up", priority=True),
        Binding("enter", "choose", "Choose", priority=True),  # as the list's own, ctrl+c would overtake it
    ]

    def __init__(self, facets: Sequence[Facet]) -> None:
        super().__init__()
        self._facets = facets

    def compose(self) -> ComposeResult:
        """The facets by kind."""
        with Vertical(classes="dialog"):
            yield Static("Narrow down by", classes="title", markup=False)
            options: list[Option] = []
            kind = ""
            for number, facet in enumerate(self._facets):
                if facet.kind != kind:
                    kind = facet.kind
                    options.append(Option(Content.styled(_TITLES.get(kind, kind), "bold"), disabled=True))
                text = f"{facet.count:>6,}  {clean(facet.label.replace('_', ' '))}"
                options.append(Option(text, id=str(number)))
            if options:
                yield OptionList(*options, markup=False)
                hint = "enter adds the filter to the query, esc closes"
            else:
                hint = "no property in the index is common to these photos; esc closes"
            yield Static(hint, classes="hint", markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the filter."""
        self.dismiss(self._facets[int(event.option_id or 0)].filter)

    def action_move(self, direction: int) -> None:
        """Move down (1) or up (-1)."""
        for options in self.query(OptionList):
            options.action_cursor_down() if direction > 0 else options.action_cursor_up()

    def action_choose(self) -> None:
        """Return the filter of the facet under the cursor."""
        for options in self.query(OptionList):
            if options.highlighted is not None:
                chosen = options.get_option_at_index(options.highlighted)
                self.dismiss(self._facets[int(chosen.id or 0)].filter)

    def action_close(self) -> None:
        """Return nothing."""
        self.dismiss(None)
