"""The dialog in which the note of a photo is written. It stays open until the note is saved."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable
from types import MappingProxyType
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from imgret.errors import ImgretError
from imgret.terminal.clean import clean
from imgret_tui.widgets.ordered_keys import OrderedKeys, actions_of

_KEYS = "enter saves, ctrl+j begins a new line, esc cancels; an empty note is deleted"
_LINE_END = re.compile("\r\n|\r|\n")


class NoteText(OrderedKeys, TextArea):
    """Several lines. Enter saves, as in the other dialogs."""

    own_actions = actions_of(TextArea)
    actions = MappingProxyType(
        {
            "enter": "save",
            "escape": "cancel",
            "ctrl+c": "cancel",
            # Every terminal can send ctrl+j. Some send nothing else than enter for the others, and xterm keeps alt+enter.
            **dict.fromkeys(("ctrl+j", "alt+enter", "shift+enter", "ctrl+enter"), "input.new_line"),
        }
    )

    def __init__(self, text: str) -> None:
        super().__init__(text, compact=True, highlight_cursor_line=False)
        self.cursor_blink = False  # blinking would send the line to the terminal twice a second

    async def on_key(self, _: events.Key) -> None:
        """A key that is typed while the note is saved closes the dialog, and is meant for the screen below."""
        dialog = self.screen
        # Dismissed by an earlier key, it would take the screen below with it.
        if isinstance(dialog, NoteDialog) and dialog.is_saving and dialog.is_active:
            dialog.dismiss(None)  # `OrderedKeys.on_key` comes next

    def on_paste(self, event: events.Paste) -> None:
        """Insert a text that is safe for the terminal, with its lines."""
        event.stop().prevent_default()
        if not self.read_only:
            result = self.replace(shown(event.text), *self.selection, maintain_selection_offset=False)
            self.move_cursor(result.end_location)

    def action_new_line(self) -> None:
        """Begin a new line."""
        result = self.replace("\n", *self.selection, maintain_selection_offset=False)
        self.move_cursor(result.end_location)


class NoteDialog(ModalScreen[None]):
    """Edits the note of one photo, and has it saved."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "cancel", "Cancel")]

    def __init__(self, name: str, note: str, save: Callable[[str], None]) -> None:
        """`name` of the photo; `save` begins to save a text. Then `saved` or `show_error` is to be called."""
        super().__init__()
        self._name = name
        self._note = note
        self._save = save
        self._before = shown(note)
        self._text = NoteText(self._before)
        self._hint = Static(_KEYS, classes="hint", markup=False)
        self._failed = False
        self.is_saving = False

    def compose(self) -> ComposeResult:
        """The name of the photo, the text, and what the keys do."""
        with Vertical(classes="dialog edit"):
            yield Static(f"Note about {self._name}", classes="title", markup=False)
            yield self._text
            yield self._hint

    def on_mount(self) -> None:
        """Begin at the end of the text."""
        self._text.move_cursor(self._text.document.end)

    def action_save(self) -> None:
        """Save the text, if it was edited."""
        text = self._text.text
        if text == self._before and not self._failed:
            self.dismiss(None)
            return
        self.is_saving = self._text.read_only = True
        self._hint.update("saving…")
        self._save(restored(self._note, text).strip())

    def saved(self) -> None:
        """The note is saved: close."""
        self.is_saving = False
        self.dismiss(None)

    def show_error(self, error: ImgretError) -> None:
        """The note was not saved: show why, and let the user go on."""
        self.is_saving = self._text.read_only = False
        self._failed = True
        why = clean(f"not saved: {error.advice}.")
        self._hint.update(
            Content.assemble((why, "$text-error"), "\n", "enter tries again, esc discards the text")
        )

    def action_cancel(self) -> None:
        """Close without saving."""
        self.dismiss(None)


def shown(text: str) -> str:
    """The text as the dialog shows it: its lines and tabs stay, other characters are cleaned."""
    return "\n".join("\t".join(clean(part) for part in line.split("\t")) for line in _LINE_END.split(text))


def restored(note: str, text: str) -> str:
    """The edited text of what was shown of a note: lines that were not edited have the characters that are not shown."""
    lines: defaultdict[str, deque[str]] = defaultdict(deque)
    for line in _LINE_END.split(note):
        lines[shown(line)].append(line)
    return "\n".join(lines[line].popleft() if lines.get(line) else line for line in text.split("\n"))
