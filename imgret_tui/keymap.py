"""The keys, in one table: the bindings, the help page and the hints on the status line are made from it."""

from __future__ import annotations

from msgspec import Struct
from textual.binding import Binding


class Key(Struct, frozen=True):
    """One thing a key does."""

    keys: str  # as Textual names them, comma-separated
    action: str
    does: str
    group: str
    shown: str  # as people read it


MOVE, CHOOSE, PHOTO, VIEW, PROGRAM = "Move", "Choose", "This photo", "View", "Program"

KEYS: tuple[Key, ...] = (
    Key(
        "up,ctrl+p",
        "move_row(-1)",
        "the one above; in an empty question the one asked before",
        MOVE,
        "↑ ctrl+p",
    ),
    Key("down,ctrl+n", "move_row(1)", "the one below", MOVE, "↓ ctrl+n"),
    Key("left", "move_column(-1)", "to the left (in the grid)", MOVE, "←"),
    Key("right", "move_column(1)", "to the right (in the grid)", MOVE, "→"),
    Key("pageup", "move_page(-1)", "a page up", MOVE, "page up"),
    Key("pagedown", "move_page(1)", "a page down", MOVE, "page down"),
    Key("ctrl+home", "move_end(-1)", "the first", MOVE, "ctrl+home"),
    Key("ctrl+end", "move_end(1)", "the last", MOVE, "ctrl+end"),
    Key("enter", "choose", "print its path, or those of the marked, and leave", CHOOSE, "enter"),
    Key("tab", "mark(1)", "mark and go down (with --multi)", CHOOSE, "tab"),
    Key("shift+tab", "mark(-1)", "mark and go up (with --multi)", CHOOSE, "shift+tab"),
    Key("alt+a", "mark_all", "mark all, or none (with --multi)", CHOOSE, "alt+a"),
    Key("alt+enter,ctrl+j", "app.open", "open it in the viewer of the desktop", PHOTO, "alt+enter ctrl+j"),
    Key("ctrl+y", "app.yank", "copy its path to the clipboard", PHOTO, "ctrl+y"),
    Key("ctrl+r", "app.reveal", "open the folder it lies in", PHOTO, "ctrl+r"),
    Key("ctrl+e", "app.edit_note", "write a note about it", PHOTO, "ctrl+e"),
    Key("ctrl+l", "more_like_this", "find more like it", PHOTO, "ctrl+l"),
    Key("ctrl+g", "toggle_grid", "list or grid", VIEW, "ctrl+g"),
    Key("ctrl+o", "toggle_preview", "show or hide the preview", VIEW, "ctrl+o"),
    Key("ctrl+t", "app.toggle_theme", "light or dark", VIEW, "ctrl+t"),
    Key("f1", "app.help", "this page", PROGRAM, "f1"),
    Key("f2", "app.command_palette", "every command by its name", PROGRAM, "f2"),
    Key("f3", "app.folders", "folders and failures", PROGRAM, "f3"),
    Key("escape,ctrl+c", "app.abort", "leave without choosing", PROGRAM, "esc ctrl+c ctrl+q"),
)


def bindings() -> list[Binding]:
    """The table as bindings of the screen."""
    return [Binding(key.keys, key.action, key.does, show=False) for key in KEYS]


def actions() -> dict[str, str]:
    """Key -> action, for the input line, which runs them in the order in which keys were typed.

    Enter alone is the line's own: it submits what stands there.
    """
    return {one: key.action for key in KEYS if key.keys != "enter" for one in key.keys.split(",")}


def groups() -> list[tuple[str, list[Key]]]:
    """The table by group, in the order in which the help page shows it."""
    return [
        (group, [key for key in KEYS if key.group == group]) for group in dict.fromkeys(k.group for k in KEYS)
    ]
