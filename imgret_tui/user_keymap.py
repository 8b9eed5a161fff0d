"""The key map with the changes of the configuration file and of `--bind`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from imgret import config_errors
from imgret.config import PickerSettings
from imgret.errors import ConfigError, UsageError
from imgret_tui.keymap import Keymap


def user_keymap(settings: PickerSettings, binds: Sequence[str], path: str) -> Keymap:
    """The key map. `path`: that of the configuration file. `--bind` comes after the file.

    Raises ConfigError, with the line, for a wrong key or action of the file, and UsageError for one of `--bind`.
    """
    bound = _bound(binds)
    for table, values in (("keys", settings.keys), ("commands", settings.commands)):
        for key, value in values.items():
            _check(table, key, value, path)
    return Keymap({**settings.keys, **bound}, settings.commands)


def _check(table: str, key: str, value: str, path: str) -> None:
    changes: Mapping[str, str] = {key: value if table == "keys" else "ignore"}
    try:
        Keymap(changes)
    except UsageError as error:
        text = ""
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
            text = file.read()
        line = config_errors.line_of(text, ["picker", table, key])
        raise ConfigError(f"{path}, line {line}: {error}", error.hint) from None


def _bound(binds: Sequence[str]) -> dict[str, str]:
    """Key -> action of `KEY:ACTION`. Commas separate several, but for the last, whose command may have commas."""
    found: dict[str, str] = {}
    for bind in binds:
        rest = bind
        while rest:
            key, colon, action = rest.partition(":")
            if not colon or not key or not action:
                raise UsageError(f"--bind {bind}: it is not KEY:ACTION", "For example: --bind alt-x:open")
            opened, comma = action.find("("), action.find(",")
            is_last = comma < 0 or (0 <= opened < comma)
            found[key] = action if is_last else action[:comma]
            rest = "" if is_last else action[comma + 1 :]
    return found
