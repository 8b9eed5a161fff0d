"""Screens that open over the search: the help page, and folders with failed photos.

Their background is transparent: Textual would dim what is below and change the colours that name images.
"""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from imgret.terminal.clean import clean
from imgret_tui.hit_texts import HOME, home_text
from imgret_tui.keymap import Key, Keymap
from imgret_tui.search_backend import MOST_FAILED, FailedPhoto, WatchedFolder

_MAX_FAILED = 200  # shown
_TWO_PARTS = 180  # columns of the terminal


class HelpDialog(ModalScreen[None]):
    """The keys and what they do, and an example of a query."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter,ctrl+c", "dismiss", "Close", priority=True)
    ]

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """The key map by group, in two parts, which stand side by side in a wide terminal."""
        groups = self._keymap.by_group()
        lines = list(accumulate(1 + len(keys) for _, keys in groups))
        half = min(range(len(groups)), key=lambda last: max(lines[last], lines[-1] + 2 - lines[last])) + 1
        with VerticalScroll(classes="dialog"), Container(classes="parts"):
            with Vertical():
                yield from self._rows(groups[:half])
            with Vertical():
                yield from self._rows(groups[half:])
                yield Static("Queries", classes="title", markup=False)
                yield Static(
                    "two dogs on a beach after:2019 dog>=2 -indoor in:~/Pictures topic:sports has:note",
                    classes="body",
                    markup=False,
                )

    def _rows(self, groups: list[tuple[str, list[Key]]]) -> ComposeResult:
        for group, keys in groups:
            yield Static(group, classes="title", markup=False)
            for key in keys:
                with Horizontal(classes="key-row"):
                    yield Static(key.label, classes="key", markup=False)
                    yield Static(key.description, classes="body", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Put the parts side by side where both have room."""
        self.set_class(event.size.width >= _TWO_PARTS, "-wide")


class FoldersDialog(ModalScreen[bool]):
    """The folders and the failed photos. Its result is True if those shall be tried again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f3,q,ctrl+c", "close", "Close", priority=True),
        Binding("r", "retry", "Retry", priority=True),
    ]

    def __init__(self, folders: tuple[WatchedFolder, ...], failed: tuple[FailedPhoto, ...]) -> None:
        super().__init__()
        self._folders = folders
        self._failed = failed

    def compose(self) -> ComposeResult:
        """Two lists."""
        with VerticalScroll(classes="dialog"):
            yield Static("Folders", classes="title", markup=False)
            for folder in self._folders:
                yield Static(_folder_text(folder), classes="body", markup=False)
            if not self._folders:
                yield Static(
                    "none: run `imgret add FOLDER` or `imgret index FOLDER`", classes="body", markup=False
                )
            more = " or more" if len(self._failed) >= MOST_FAILED else ""
            yield Static(f"Failed photos: {len(self._failed)}{more}", classes="title", markup=False)
            for failed in self._failed[:_MAX_FAILED]:
                yield Static(home_text(failed.path, HOME), classes="body", markup=False)
                yield Static(_reason_text(failed), classes="reason", markup=False)
            hint = "r retries all failed photos, esc closes" if self._failed else "esc closes"
            yield Static(hint, classes="hint", markup=False)

    def action_retry(self) -> None:
        """Close, and retry the failed photos."""
        self.dismiss(bool(self._failed))

    def action_close(self) -> None:
        """Close."""
        self.dismiss(result=False)


def _folder_text(folder: WatchedFolder) -> Content:
    facts = ["watched" if folder.watched else "indexed once"]
    if folder.scanned_at is not None:
        facts.append("scanned " + datetime.fromtimestamp(folder.scanned_at).strftime("%Y-%m-%d %H:%M"))
    line = Content.assemble(home_text(folder.path, HOME), "  ", (", ".join(facts), "$muted"))
    if not folder.online:
        return Content.assemble(line, "  ", _offline_text(folder.reason))
    below = (
        Content.assemble("\n  ", home_text(path, HOME), "  ", _offline_text(reason))
        for path, reason in folder.unmounted
    )
    return Content.assemble(line, *below)


def _reason_text(failed: FailedPhoto) -> str:
    """The reason, which mostly begins with the path, without it."""
    return f"{clean(failed.reason).removeprefix(f'{clean(failed.path)} ')} ({failed.again})"


def _offline_text(reason: str | None) -> tuple[str, str]:
    return f"offline: {clean(reason or 'its disk is not mounted')}", "$text-warning"
