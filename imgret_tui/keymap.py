"""The keys of the search: one table of actions with their usual keys, named as in fzf, and the user's changes to it.

The help page, the bar of keys and the command palette are made from it. `key_names` has the names of keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace
from textual.binding import Binding

from imgret.errors import UsageError
from imgret_tui.key_names import key_name, written

MOVE, CHOOSE, QUERY, PHOTO, VIEW, PROGRAM = "Move", "Choose", "Query", "This photo", "View", "Program"
OWN = "Your commands"
COPIES, FULL = "Near-duplicates", "Full-screen photo"
IGNORE = "ignore"  # the action of a key that shall do nothing
INPUT = "input."  # before the names of actions of the query input
_COMMANDS = {"execute(": "app.execute", "execute-silent(": "app.execute_silently"}


class Key(Struct, frozen=True):
    """One action and the keys that run it."""

    name: str  # in the settings and in `--bind`
    keys: tuple[str, ...]  # by Textual's names
    action: str  # of the screen, the app or the input
    description: str
    group: str

    @property
    def label(self) -> str:
        """The keys as people write them."""
        return " ".join(written(key) for key in self.keys)


def _key(name: str, keys: str, action: str, description: str, group: str) -> Key:
    return Key(name, tuple(keys.split()), action, description, group)


KEYS: tuple[Key, ...] = (
    _key(
        "up",
        "up ctrl+k ctrl+p",
        "move_row(-1)",
        "up a row; with an empty query, the previous query",
        MOVE,
    ),
    _key("down", "down ctrl+j ctrl+n", "move_row(1)", "down a row", MOVE),
    _key(
        "left", "left", "move_column(-1)", "to the left: where hits are side by side, else in the query", MOVE
    ),
    _key("right", "right", "move_column(1)", "to the right", MOVE),
    _key("page-up", "pageup", "move_page(-1)", "a page up", MOVE),
    _key("page-down", "pagedown", "move_page(1)", "a page down", MOVE),
    _key("first", "ctrl+home", "move_end(-1)", "to the first hit", MOVE),
    _key("last", "ctrl+end", "move_end(1)", "to the last hit", MOVE),
    _key("accept", "enter", "choose", "print the path, or those of marked photos, and quit", CHOOSE),
    _key("toggle-down", "tab", "mark(1)", "mark and go down (with --multi)", CHOOSE),
    _key("toggle-up", "shift+tab", "mark(-1)", "mark and go up (with --multi)", CHOOSE),
    _key("toggle-all", "alt+a", "mark_all", "mark all hits, or none (with --multi)", CHOOSE),
    _key("beginning-of-line", "ctrl+a home", "input.home", "to the beginning of the query", QUERY),
    _key("end-of-line", "ctrl+e end", "input.end", "to the end of the query", QUERY),
    _key("backward-char", "ctrl+b", "input.cursor_left", "a letter to the left", QUERY),
    _key("forward-char", "ctrl+f", "input.cursor_right", "a letter to the right", QUERY),
    _key("backward-word", "alt+b alt+left ctrl+left", "input.cursor_left_word", "a word to the left", QUERY),
    _key(
        "forward-word", "alt+f alt+right ctrl+right", "input.cursor_right_word", "a word to the right", QUERY
    ),
    _key(
        "delete-char/eof", "ctrl+d", "delete_or_abort", "delete a letter; quit if the query is empty", QUERY
    ),
    _key(
        "backward-kill-word",
        "ctrl+w alt+backspace",
        "input.delete_left_word",
        "delete the word before",
        QUERY,
    ),
    _key("kill-word", "alt+d", "input.delete_right_word", "delete the word after", QUERY),
    _key("unix-line-discard", "ctrl+u", "input.delete_left_all", "delete all before the cursor", QUERY),
    _key("previous-history", "alt+up", "recall", "the previous query", QUERY),
    _key("open", "alt+enter", "app.open", "open in the desktop's image viewer", PHOTO),
    _key("copy", "ctrl+y", "app.yank", "copy the path to the clipboard", PHOTO),
    _key("reveal", "ctrl+r", "app.reveal", "open its folder", PHOTO),
    _key("edit-note", "alt+n", "app.edit_note", "write a note", PHOTO),
    _key("edit-keywords", "alt+k", "app.edit_keywords", "edit your keywords", PHOTO),
    _key("rate", "alt+r", "app.rate", "give it stars", PHOTO),
    _key("similar", "ctrl+s", "more_like_this", "find similar photos", PHOTO),
    _key("next-layout", "ctrl+o", "app.next_layout", "list, grid, or full-screen photo", VIEW),
    _key("toggle-preview", "alt+p ctrl+underscore", "toggle_preview", "show or hide the preview", VIEW),
    _key("toggle-theme", "ctrl+t", "app.toggle_theme", "light or dark", VIEW),
    _key("clear-screen", "ctrl+l", "app.redraw", "draw the screen again", VIEW),
    _key("help", "f1", "app.help", "show this page", PROGRAM),
    _key("commands", "f2", "app.commands", "all commands by name", PROGRAM),
    _key("folders", "f3", "app.folders", "folders and failed photos", PROGRAM),
    _key("duplicates", "f4", "app.duplicates", "near-duplicates in groups", PROGRAM),
    _key("narrow", "f5", "app.narrow", "narrow down by objects, places, topics, people, years", PROGRAM),
    _key("suspend", "ctrl+z", "app.suspend_process", "back to the shell; `fg` returns", PROGRAM),
    _key("abort", "escape ctrl+g ctrl+c", "app.abort", "quit without choosing", PROGRAM),
)
_IN_BAR = {
    "accept": "print",
    "toggle-down": "mark",
    "open": "open",
    "next-layout": "layout",
    "narrow": "narrow down",
    "help": "all keys",
}


class Keymap:
    """The table with the user's changes: keys that run another action, or a command of the user."""

    def __init__(
        self, changes: Mapping[str, str] | None = None, commands: Mapping[str, str] | None = None
    ) -> None:
        """`changes`: key -> name of an action; `commands`: key -> shell command. Raises UsageError for what is unknown."""
        actions = {key.name: key for key in KEYS}
        changed: dict[str, Key | None] = {}
        wanted = [
            *(changes or {}).items(),
            *((key, f"execute({text})") for key, text in (commands or {}).items()),
        ]
        for written_key, name in wanted:
            changed[key_name(written_key)] = _wanted(written_key, name, actions)
        table = [replace(key, keys=tuple(k for k in key.keys if k not in changed)) for key in KEYS]
        own: list[Key] = []
        for key, target in changed.items():
            if target is None:
                continue
            if target.group == OWN:
                own.append(replace(target, keys=(key,)))
                continue
            place = next(i for i, entry in enumerate(table) if entry.name == target.name)
            table[place] = replace(table[place], keys=(*table[place].keys, key))
        self.keys: tuple[Key, ...] = (*table, *own)
        self.actions_by_key = {key: entry.action for entry in self.keys for key in entry.keys}
        self.actions_by_key |= {key: IGNORE for key, target in changed.items() if target is None}

    @property
    def photo_actions(self) -> dict[str, str]:
        """Actions by key that are about one photo, wherever it is shown: the user's commands are among them."""
        keys = [key for key in self.keys if key.group in (PHOTO, OWN) and key.action.startswith("app.")]
        return {key: entry.action for entry in keys for key in entry.keys}

    def by_group(self) -> list[tuple[str, list[Key]]]:
        """The keys by group, in the order of the help page; without actions that have no key."""
        keys = [key for key in (*self.keys, *COPIES_KEYS, *PHOTO_KEYS) if key.keys]
        return [
            (group, [key for key in keys if key.group == group])
            for group in dict.fromkeys(key.group for key in keys)
        ]

    def commands(self) -> Iterator[tuple[str, str, str]]:
        """(name, help, action) of each command of the palette: all but movements, choices and edits of the query."""
        for key in self.keys:
            if key.group not in (MOVE, CHOOSE, QUERY) and key.name != "commands":
                help_text = f"{key.description} ({key.label})" if key.keys else key.description
                yield key.name.replace("-", " ").capitalize(), help_text, key.action

    def bar(self, *, multi: bool) -> list[tuple[str, str]]:
        """(key, what it does) of the five most useful keys."""
        left_out = "open" if multi else "toggle-down"
        keys = {key.name: key for key in self.keys if key.keys}
        return [
            (written(keys[name].keys[0]), text)
            for name, text in _IN_BAR.items()
            if name in keys and name != left_out
        ]


def _wanted(written_key: str, name: str, actions: Mapping[str, Key]) -> Key | None:
    """The action that a key shall run; None for none."""
    if name == IGNORE:
        return None
    for prefix, action in _COMMANDS.items():
        if name.startswith(prefix):
            if not name.endswith(")"):
                raise UsageError(f"{written_key}: the command has no ) at its end: {name}")
            command = name[len(prefix) : -1]
            if not command.strip():
                raise UsageError(f"{written_key}: {name} has no command", "For example: execute(gimp {})")
            return Key(name, (), f"{action}({command!r})", command, OWN)
    if name not in actions:
        raise UsageError(f"{written_key}: there is no action {name!r}", _known(name, actions))
    return actions[name]


def _known(name: str, actions: Mapping[str, Key]) -> str:
    import difflib

    near = difflib.get_close_matches(name, actions, 1)
    return (
        f"Did you mean {near[0]!r}?"
        if near
        else f"Actions: {', '.join([*actions, IGNORE])}, execute(COMMAND)."
    )


def bindings_of(keys: Sequence[Key]) -> list[Binding]:
    """The bindings of a page without a query."""
    return [
        Binding(",".join(key.keys), key.action, key.description, show=False, priority=True) for key in keys
    ]


# These pages have no query, so letters are keys.
COPIES_KEYS: tuple[Key, ...] = (
    _key("next-group", "n pagedown", "move_group(1)", "the next group", COPIES),
    _key("previous-group", "p pageup", "move_group(-1)", "the previous group", COPIES),
    _key("copy-left", "left h", "move(-1, 0)", "the copy to the left; in a list, the previous group", COPIES),
    _key("copy-right", "right l", "move(1, 0)", "the copy to the right; in a list, the next group", COPIES),
    _key(
        "copy-up",
        "up k ctrl+k ctrl+p",
        "move(0, -1)",
        "the copy above; if none, the previous group (not in a list)",
        COPIES,
    ),
    _key(
        "copy-down",
        "down j ctrl+j ctrl+n",
        "move(0, 1)",
        "the copy below; if none, the next group (not in a list)",
        COPIES,
    ),
    _key("mark-copy", "tab space", "mark", "mark the copy and go to the next (with --multi)", COPIES),
    _key("mark-others", "a", "mark_others", "mark all but the best copy, or none (with --multi)", COPIES),
    _key("copies-layout", "ctrl+o", "toggle_grid", "side by side, or a list", COPIES),
    _key("accept-copies", "enter", "choose", "print the path, or those of marked photos, and quit", COPIES),
    _key(
        "close-copies", "escape q f4 ctrl+g ctrl+c", "close", "back to the search, without the marks", COPIES
    ),
)
PHOTO_KEYS: tuple[Key, ...] = (
    _key("next-photo", "n space pagedown j ctrl+j ctrl+n", "step(1)", "the next photo", FULL),
    _key("previous-photo", "p backspace pageup k ctrl+k ctrl+p", "step(-1)", "the previous photo", FULL),
    _key("zoom-in", "plus equals_sign", "zoom(2)", "twice as large", FULL),
    _key("zoom-out", "minus", "zoom(0.5)", "half as large", FULL),
    _key("fit", "0", "fit", "the whole photo", FULL),
    _key("look-left", "left h", "look(-1, 0)", "to the left; the previous photo if all of it is seen", FULL),
    _key("look-right", "right l", "look(1, 0)", "to the right; the next photo if all of it is seen", FULL),
    _key("look-up", "up", "look(0, -1)", "up", FULL),
    _key("look-down", "down", "look(0, 1)", "down", FULL),
    _key("mark-photo", "tab", "mark", "mark it and move on (with --multi)", FULL),
    _key("note-photo", "e", "app.edit_note", "write a note", FULL),
    _key("tag-photo", "t", "app.edit_keywords", "edit your keywords", FULL),
    _key("rate-photo", "r", "app.rate", "give it stars", FULL),
    _key("open-photo", "o", "app.open", "open in the desktop's image viewer", FULL),
    _key("copy-photo", "y", "app.yank", "copy the path to the clipboard", FULL),
    _key("accept-photo", "enter", "choose", "print the path, or those of marked photos, and quit", FULL),
    _key("close-photo", "escape q ctrl+o ctrl+g ctrl+c", "close", "back to the list", FULL),
)
