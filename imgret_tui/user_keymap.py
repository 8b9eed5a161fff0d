"""The key map with the changes of the configuration file and of `--bind`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

from imgret import config_errors
from imgret.config import PickerSettings
from imgret.errors import ConfigError, UsageError
from imgret_tui.keymap import Keymap

_COMMAND = re.compile(r"\s*execute(-silent)?\(")
_COMMAND_END = re.compile(r"(?<=\)),(?=[^\s:,()]+:)")  # before the key of the next action
_COMMA = re.compile(",")


def user_keymap(settings: PickerSettings, binds: Sequence[str], path: str) -> Keymap:
    """The key map. `path`: that of the configuration file. `--bind` comes after the file.

    Raises ConfigError, with the line, for a wrong key or action of the file, and UsageError for one of `--bind`.
    """
    bound = _parsed(binds)
    for table, values in (("keys", settings.keys), ("commands", settings.commands)):
        for key, value in values.items():
            _check(table, key, value, path)
    return Keymap({**settings.keys, **bound}, settings.commands)


def _check(table: str, key: str, value: str, path: str) -> None:
    try:
        Keymap({key: value}) if table == "keys" else Keymap(commands={key: value})
    except UsageError as error:
        text = ""
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
            text = file.read()
        line = config_errors.line_of(text, ["picker", table, key])
        raise ConfigError(f"{path}, line {line}: {error}", error.hint) from None


def _parsed(binds: Sequence[str]) -> dict[str, str]:
    """Key -> action of `KEY:ACTION`. Commas separate several; those within a command belong to it."""
    found: dict[str, str] = {}
    for bind in binds:
        rest: str | None = bind
        while rest is not None:
            key, _, action = rest.partition(":")
            end = _COMMAND_END.search(action) if _COMMAND.match(action) else None
            end = end or (None if _COMMAND.match(action) else _COMMA.search(action))
            action, rest = (action[: end.start()], action[end.end() :]) if end else (action, None)
            if not key.strip() or not action.strip():
                raise UsageError(f"--bind {bind!r} is not KEY:ACTION", "For example: --bind alt-x:open")
            found[key] = action.strip()
    return found
