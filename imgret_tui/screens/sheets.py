"""What opens over the search: the keys, a note to write, the folders and failures.

Their background is transparent: dimming what lies below would change the colours that name pictures.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret_tui.keymap import groups
from imgret_tui.library import Failure, Folder
from imgret_tui.widgets.query import LineInput


class HelpScreen(ModalScreen[None]):
    """Every key and what it does, from the key map."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter,ctrl+c", "dismiss", "Close", priority=True)
    ]

    def compose(self) -> ComposeResult:
        """The table."""
        with VerticalScroll(classes="sheet"):
            for group, keys in groups():
                yield Static(group, classes="title", markup=False)
                for key in keys:
                    line = Content.assemble((f"{key.shown:<20}", "$text-accent"), key.does)
                    yield Static(line, classes="body", markup=False)
            yield Static("Questions", classes="title", markup=False)
            yield Static(
                "two dogs on a beach after:2019 dog>=2 -indoor in:~/Pictures topic:sports has:note",
                classes="body",
                markup=False,
            )


class NoteScreen(ModalScreen[str | None]):
    """The user's own words about one photo; gives the text, or None when left unchanged."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "leave", "Leave", priority=True)]

    def __init__(self, hit: Hit) -> None:
        super().__init__()
        self._hit = hit

    def compose(self) -> ComposeResult:
        """The name, a line to write on, and what the keys do."""
        with Vertical(classes="sheet"):
            yield Static(
                f"Note about {clean(os.path.basename(self._hit.path))}", classes="title", markup=False
            )
            yield LineInput(value=clean(" ".join((self._hit.note or "").split())), select_on_focus=False)
            yield Static("enter saves, an empty note is removed, esc leaves it", classes="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save."""
        event.stop()
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(None)


class FoldersScreen(ModalScreen[bool]):
    """The folders and what could not be described; gives True when all failures shall be tried again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f3,q,ctrl+c", "leave", "Close", priority=True),
        Binding("r", "retry", "Retry", priority=True),
    ]

    def __init__(self, folders: tuple[Folder, ...], failures: tuple[Failure, ...]) -> None:
        super().__init__()
        self._folders = folders
        self._failures = failures

    def compose(self) -> ComposeResult:
        """Two lists."""
        with VerticalScroll(classes="sheet"):
            yield Static("Folders", classes="title", markup=False)
            for folder in self._folders:
                yield Static(_folder(folder), classes="body", markup=False)
            if not self._folders:
                yield Static(
                    "none: run `imgret add FOLDER` or `imgret index FOLDER`", classes="body", markup=False
                )
            yield Static(f"Failures: {len(self._failures)}", classes="title", markup=False)
            for failure in self._failures[:200]:
                tries = f"{failure.attempts} {'try' if failure.attempts == 1 else 'tries'}"
                line = Content.assemble(
                    clean(failure.path), "\n  ", (f"{clean(failure.reason)} ({tries})", "$text-warning")
                )
                yield Static(line, classes="body", markup=False)
            hint = "r tries all failures again, esc closes" if self._failures else "esc closes"
            yield Static(hint, classes="hint", markup=False)

    def action_retry(self) -> None:
        """Try again."""
        self.dismiss(bool(self._failures))

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(result=False)


def _folder(folder: Folder) -> Content:
    facts = ["watched" if folder.watched else "indexed once"]
    if folder.scanned_at is not None:
        facts.append("seen " + datetime.fromtimestamp(folder.scanned_at).strftime("%Y-%m-%d %H:%M"))
    line = Content.assemble(clean(folder.path), "  ", (", ".join(facts), "$muted"))
    if not folder.online:
        return Content.assemble(line, "  ", _offline(folder.reason))
    below = (Content.assemble("\n  ", clean(path), "  ", _offline(reason)) for path, reason in folder.away)
    return Content.assemble(line, *below)


def _offline(reason: str | None) -> tuple[str, str]:
    return f"offline: {clean(reason or 'its disk is away')}", "$text-warning"
