"""The keys, in one table: the bindings, the help page and the command palette are made from it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from textual.binding import Binding


class Key(Struct, frozen=True):
    """One action and the keys that run it."""

    keys: str  # by Textual's names, separated by commas
    action: str
    description: str
    group: str
    label: str  # the keys as people write them


MOVE, CHOOSE, PHOTO, VIEW, PROGRAM = "Move", "Choose", "This photo", "View", "Program"
COPIES = "Near-duplicates (f4)"

KEYS: tuple[Key, ...] = (
    Key(
        "up,ctrl+p",
        "move_row(-1)",
        "up a hit; with an empty query, the previous query",
        MOVE,
        "↑ ctrl+p",
    ),
    Key("down,ctrl+n", "move_row(1)", "down a hit", MOVE, "↓ ctrl+n"),
    Key("left", "move_column(-1)", "to the left (in the grid)", MOVE, "←"),
    Key("right", "move_column(1)", "to the right (in the grid)", MOVE, "→"),
    Key("pageup", "move_page(-1)", "a page up", MOVE, "page up"),
    Key("pagedown", "move_page(1)", "a page down", MOVE, "page down"),
    Key("ctrl+home", "move_end(-1)", "to the first hit", MOVE, "ctrl+home"),
    Key("ctrl+end", "move_end(1)", "to the last hit", MOVE, "ctrl+end"),
    Key("enter", "choose", "print the path, or those of marked photos, and quit", CHOOSE, "enter"),
    Key("tab", "mark(1)", "mark and go down (with --multi)", CHOOSE, "tab"),
    Key("shift+tab", "mark(-1)", "mark and go up (with --multi)", CHOOSE, "shift+tab"),
    Key("alt+a", "mark_all", "mark all, or none (with --multi)", CHOOSE, "alt+a"),
    Key("alt+enter,ctrl+j", "app.open", "open in the desktop's image viewer", PHOTO, "alt+enter ctrl+j"),
    Key("ctrl+y", "app.yank", "copy the path to the clipboard", PHOTO, "ctrl+y"),
    Key("ctrl+r", "app.reveal", "open its folder", PHOTO, "ctrl+r"),
    Key("ctrl+e", "app.edit_note", "write a note", PHOTO, "ctrl+e"),
    Key("ctrl+l", "more_like_this", "find similar photos", PHOTO, "ctrl+l"),
    Key("ctrl+g", "toggle_grid", "list or grid", VIEW, "ctrl+g"),
    Key("ctrl+o", "toggle_preview", "show or hide the preview", VIEW, "ctrl+o"),
    Key("ctrl+t", "app.toggle_theme", "light or dark", VIEW, "ctrl+t"),
    Key("f1", "app.help", "show this page", PROGRAM, "f1"),
    Key("f2", "app.command_palette", "all commands by name", PROGRAM, "f2"),
    Key("f3", "app.folders", "folders and failed photos", PROGRAM, "f3"),
    Key("f4", "app.duplicates", "near-duplicates in groups", PROGRAM, "f4"),
    Key("escape,ctrl+c", "app.abort", "quit without choosing", PROGRAM, "esc ctrl+c ctrl+q"),
)

# The page of near-duplicates has no query, so letters are keys.
COPIES_KEYS: tuple[Key, ...] = (
    Key("right,n", "move_group(1)", "the next group", COPIES, "→ n"),
    Key("left,p", "move_group(-1)", "the previous group", COPIES, "← p"),
    Key("up,k,ctrl+p", "move_copy(-1)", "up a copy", COPIES, "↑ k"),
    Key("down,j,ctrl+n", "move_copy(1)", "down a copy", COPIES, "↓ j"),
    Key("tab,space", "mark", "mark the copy and go down (with --multi)", COPIES, "tab space"),
    Key("a", "mark_others", "mark all but the best copy, or none (with --multi)", COPIES, "a"),
    Key("ctrl+g", "toggle_grid", "list or grid", COPIES, "ctrl+g"),
    Key("enter", "choose", "print the path, or those of marked photos, and quit", COPIES, "enter"),
    Key("escape,q,f4,ctrl+c", "close", "back to the search, without the marks", COPIES, "esc q f4"),
)


def copies_bindings() -> list[Binding]:
    """The bindings of the page of near-duplicates."""
    return [Binding(key.keys, key.action, key.description, show=False, priority=True) for key in COPIES_KEYS]


def bindings() -> list[Binding]:
    """The table as bindings of a Textual screen."""
    return [Binding(key.keys, key.action, key.description, show=False) for key in KEYS]


def actions_by_key() -> dict[str, str]:
    """Key -> action, for the query input, which runs actions in the order in which the keys were typed.

    Without enter, which the input handles itself: it submits the query.
    """
    return {name: key.action for key in KEYS if key.keys != "enter" for name in key.keys.split(",")}


def keys_by_group() -> list[tuple[str, list[Key]]]:
    """The table by group, in the order of the help page."""
    return [
        (group, [key for key in (*KEYS, *COPIES_KEYS) if key.group == group])
        for group in dict.fromkeys(key.group for key in (*KEYS, *COPIES_KEYS))
    ]


def commands() -> Iterator[tuple[str, str, str]]:
    """(name, help, action) of each command of the palette: all but movements, choices and the palette itself."""
    for key in KEYS:
        name = key.action.removeprefix("app.").partition("(")[0].replace("_", " ")
        if key.group not in (MOVE, CHOOSE) and name != "command palette":
            yield name.capitalize(), f"{key.description} ({key.label})", key.action
