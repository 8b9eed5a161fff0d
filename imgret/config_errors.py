"""What is wrong in a configuration file, and on which line."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from imgret.errors import ConfigError
from imgret.stages.interface import EntryError


def refused(
    raw: Any, kind: type[Struct], text: str, name: str, error: msgspec.ValidationError, above: list[str]
) -> ConfigError:
    """Return an error that names the wrong key and its line."""
    found = _unknown_key(raw, kind, above)
    if found:
        return unknown(*found, text, name)
    message = str(error)
    entry = error.__cause__
    if isinstance(entry, EntryError):
        table = [*above, entry.table]
        return ConfigError(f"{name}, line {line_of(text, [*table, entry.key])}: {'.'.join(table)}: {entry}")
    keys = above
    if " - at `$." in message:
        message, _, where = message.partition(" - at `$.")
        keys = above + where.rstrip("`").split("[")[0].split(".")
    return ConfigError(f"{name}, line {line_of(text, keys)}: {'.'.join(keys) or 'file'}: {message}")


def unknown(keys: list[str], known: Sequence[str], text: str, name: str) -> ConfigError:
    """Return an error for an unknown key, with the similar key that exists."""
    import difflib

    near = difflib.get_close_matches(keys[-1], known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else "Known keys: " + ", ".join(sorted(known))
    return ConfigError(f"{name}, line {line_of(text, keys)}: unknown key {'.'.join(keys)!r}", hint)


def _unknown_key(raw: Any, kind: type[Struct], above: list[str]) -> tuple[list[str], list[str]] | None:
    """Return the first key that the struct or one inside it does not have, and those that it has."""
    if not isinstance(raw, dict):
        return None
    fields = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in fields:
            return [*above, key], list(fields)
        inner = fields[key]
        if isinstance(inner, type) and issubclass(inner, Struct):
            found = _unknown_key(value, inner, [*above, key])
            if found:
                return found
    return None


def line_of(text: str, keys: list[str]) -> int:
    """Return the line of a key, from 1; if it is not found, that of its table or of one inside it; else 1."""
    table, key, best = keys[:-1], keys[-1] if keys else "", 1
    here: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            here = _keys(stripped) or here
            if here == keys:
                return number
            inside = bool(keys) and here[: len(keys)] == keys  # `[place.names]` alone makes `place`
            if here == table or (inside and best == 1):
                best = number
        elif "=" in stripped and not stripped.startswith("#"):
            name = _keys(stripped)
            if here + name == keys or (here == table and name == [key]):
                return number
            if here + name == keys[: len(here + name)]:  # `picker = { keys = { ... } }`
                best = number
    return best


def _keys(line: str) -> list[str]:
    """Return the keys of a table's header, or those before the `=` of a value; none if the line is neither."""
    ends = [at for at, sign in enumerate(line) if sign == "="]
    for read in [line] if line.startswith("[") else [f"{line[:end]}=0" for end in ends]:
        try:
            found = tomllib.loads(read)
        except ValueError:  # a `=` inside a quoted key
            continue
        keys = []
        while found:
            [(key, inner)] = found.items()
            keys.append(key)
            inner = inner[0] if isinstance(inner, list) else inner
            found = inner if isinstance(inner, dict) else {}
        return keys
    return []
