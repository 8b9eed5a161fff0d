"""Names of keys: as people and fzf write them (`ctrl-j`, `alt+x`, `pgdn`), and as Textual calls them (`ctrl+j`)."""

from __future__ import annotations

import re
import unicodedata

from textual.keys import KEY_NAME_REPLACEMENTS

from imgret.errors import UsageError

_MODIFIER = re.compile(r"(ctrl|control|alt|shift)[-+](?=.)")
_NAMES = {
    **{
        name: name
        for name in ("up", "down", "left", "right", "home", "end", "tab", "enter", "escape", "space")
    },
    **{name: name for name in ("backspace", "delete", "insert", "pageup", "pagedown")},
    **{f"f{number}": f"f{number}" for number in range(1, 25)},
    "esc": "escape",
    "return": "enter",
    "bspace": "backspace",
    "bs": "backspace",
    "del": "delete",
    "pgup": "pageup",
    "page-up": "pageup",
    "pgdn": "pagedown",
    "page-down": "pagedown",
    "btab": "shift+tab",
}
_WRITTEN = {
    "escape": "esc",
    "pageup": "page up",
    "pagedown": "page down",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "ctrl+underscore": "ctrl+/",
}
_HINT = "Write keys as ctrl+j, alt+x, ctrl+alt+x, shift+tab, f5 or pgdn."


def key_name(text: str) -> str:
    """Textual's name of a key. Raises UsageError for what is no key, or one that types a letter."""
    rest, modifiers = text.strip(), []
    while found := _MODIFIER.match(rest.lower()):
        modifiers.append("ctrl" if found[1] == "control" else found[1])
        rest = rest[found.end() :]
    if len(rest) == 1 and rest.isprintable() and rest != " ":
        if not modifiers or modifiers == ["shift"]:
            raise UsageError(f"{text!r} types a letter of the query", _HINT)
        base = rest if rest.isalnum() else _sign(rest)
        base = base.lower() if "ctrl" in modifiers else base
    elif rest.lower() in _NAMES:
        base = _NAMES[rest.lower()]
    else:
        raise UsageError(f"{text!r} is no key", _HINT)
    if "ctrl" in modifiers and base == "slash":
        base = "underscore"  # what terminals send
    order = [modifier for modifier in ("alt", "ctrl", "shift") if modifier in modifiers]
    return "+".join([*order, base])


def _sign(character: str) -> str:
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


def written(name: str) -> str:
    """A key of Textual as people write it."""
    return _WRITTEN.get(name, name)
