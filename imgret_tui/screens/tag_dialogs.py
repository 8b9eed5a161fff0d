"""Dialogs for the user's own keywords and rating of one or several photos. Their files stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from imgret.errors import UsageError
from imgret.own_tags import MOST_STARS, parsed, written
from imgret.terminal.clean import clean
from imgret_tui.widgets.query_input import DialogInput

if TYPE_CHECKING:
    from imgret.own_tags import OwnTags

_MOST_SHOWN = 20  # keywords of the file


class KeywordsDialog(ModalScreen[list[str] | None]):
    """Edits the user's keywords. Its result: all of them, or None if nothing shall change."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "cancel", "Cancel")]

    def __init__(self, whose: str, tags: OwnTags) -> None:
        """`whose`: the name of the photo, or how many; `tags`: what they have in common."""
        super().__init__()
        self._whose = whose
        self._tags = tags
        self._input = DialogInput(
            value=clean(written(tags.keywords)), placeholder="family, summer", select_on_focus=False
        )
        self._hint = Static(
            "enter saves, commas separate keywords, esc cancels", classes="hint", markup=False
        )

    def compose(self) -> ComposeResult:
        """The name of the photo, the input, the keywords of the file, and what the keys do."""
        with Vertical(classes="dialog edit"):
            yield Static(f"Keywords of {self._whose}", classes="title", markup=False)
            yield self._input
            if self._tags.file_keywords:
                shown = self._tags.file_keywords[:_MOST_SHOWN]
                more = ", …" if len(shown) < len(self._tags.file_keywords) else ""
                yield Static(f"in the file: {clean(', '.join(shown))}{more}", classes="hint", markup=False)
            yield self._hint

    def action_save(self) -> None:
        """Return the keywords, or say what is wrong with them."""
        unshown = {
            clean(label): label for label in self._tags.keywords
        }  # a keyword may have characters that are not shown
        try:
            self.dismiss([unshown.get(label, label) for label in parsed(self._input.value)])
        except UsageError as error:
            self._hint.update(Content.styled(clean(str(error)), "$text-error"))

    def action_cancel(self) -> None:
        """Return nothing."""
        self.dismiss(None)


class RatingDialog(ModalScreen[int | None]):
    """Chooses a rating. Its result: 1 to 5 stars, 0 for none of the user's, or None if nothing shall change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c,q", "cancel", "Cancel", priority=True),
        Binding("left,h,minus", "change(-1)", "Less", priority=True),
        Binding("right,l,plus", "change(1)", "More", priority=True),
        Binding("enter", "save", "Save", priority=True),
        *(Binding(str(stars), f"choose({stars})", "Save", priority=True) for stars in range(MOST_STARS + 1)),
    ]

    def __init__(self, whose: str, tags: OwnTags) -> None:
        """`whose`: the name of the photo, or how many; `tags`: what they have in common."""
        super().__init__()
        self._whose = whose
        self._tags = tags
        self._stars = tags.stars or 0
        self._shown = Static("", classes="body stars", markup=False)

    def compose(self) -> ComposeResult:
        """The name of the photo, the stars, the rating of the file, and what the keys do."""
        with Vertical(classes="dialog edit"):
            yield Static(f"Rating of {self._whose}", classes="title", markup=False)
            yield self._shown
            stars = self._tags.file_stars
            if stars:
                text = "★" * stars if stars > 0 else "rejected"
                yield Static(f"in the file: {text}; yours counts before it", classes="hint", markup=False)
            yield Static("0 to 5 saves, 0 removes your rating, esc cancels", classes="hint", markup=False)

    def on_mount(self) -> None:
        """Show the present rating."""
        self._show()

    def _show(self) -> None:
        empty = "☆" * (MOST_STARS - self._stars)
        self._shown.update(Content.assemble(("★" * self._stars, "bold $warning"), (empty, "$muted")))

    def action_change(self, stars: int) -> None:
        """Show a star more or less."""
        self._stars = max(0, min(MOST_STARS, self._stars + stars))
        self._show()

    def action_choose(self, stars: int) -> None:
        """Return these stars."""
        self.dismiss(stars)

    def action_save(self) -> None:
        """Return the stars that are shown."""
        self.dismiss(self._stars)

    def action_cancel(self) -> None:
        """Return nothing."""
        self.dismiss(None)
