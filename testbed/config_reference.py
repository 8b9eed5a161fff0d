"""Write docs/configuration.md, the reference of config.toml, from the classes of the settings: `make reference`.

A key is described by the comment beside it in the class, or in the class that all stages share.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from imgret.config import DaemonSettings, PickerSettings, Settings
from imgret.stages import registry
from imgret.stages.interface import StageSettings

FILE = Path(__file__).parents[1] / "docs" / "configuration.md"
_HEAD = """\
# Configuration

The file is `~/.config/imgret/config.toml`, or the one that `IMGRET_CONFIG` names. Every key is optional. An unknown key or a
wrong value is an error that names its line. A running daemon reads the file again after `systemctl --user reload imgretd`.

This page is made from the program by `make reference`.
"""
_PICKER = "Keys and commands of `imgret-tui`; [picker.md](picker.md) has the actions and examples.\n"
_STAGES = """
## Stages

Each stage has a table, such as `[caption]`. In every table, `weights = "none"` switches the stage off, and `revision` names
the revision of the weights, instead of the newest one when they are pulled.
"""


class Key(NamedTuple):
    """A row of the reference."""

    name: str
    default: str
    about: str


def page() -> str:
    """Return the text of the page."""
    parts = [_HEAD, *_table(_keys(Settings, leave_out=("daemon", "picker", "tables")))]
    parts += ["\n## `[daemon]`\n", *_table(_keys(DaemonSettings))]
    parts += ["\n## `[picker]`\n", _PICKER, *_table(_keys(PickerSettings))]
    parts.append(_STAGES)
    for stage in registry.own().stages:
        about = (inspect.getdoc(stage.settings) or "").partition(": ")[2]
        parts.append(f"\n### `[{stage.name}]`\n")
        if about and "`" not in about[:1]:
            parts.append(f"{about[0].upper()}{about[1:]}\n")
        parts += _table(_keys(stage.settings, leave_out=("revision",), ranges=stage.ranges))
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _table(keys: list[Key]) -> list[str]:
    head = ["| key | default | meaning |", "| --- | --- | --- |"]
    return [*head, *(f"| `{key.name}` | `{key.default}` | {key.about} |" for key in keys)]


def _keys(
    struct: type[msgspec.Struct],
    leave_out: tuple[str, ...] = (),
    ranges: Mapping[str, tuple[float, float]] = {},
) -> list[Key]:
    comments = dict(_comments(StageSettings)) | dict(_comments(struct))
    fresh = struct()
    return [
        Key(name, _toml(getattr(fresh, name)), _about(comments.get(name, ""), ranges.get(name)))
        for name in struct.__struct_fields__
        if name not in leave_out
    ]


def _about(comment: str, limits: tuple[float, float] | None) -> str:
    if limits is None:
        return comment
    span = f"from {limits[0]:g} to {limits[1]:g}"
    return f"{comment}; {span}" if comment else span


def _comments(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """Yield the name of each field of a class with its comment."""
    source = textwrap.dedent(inspect.getsource(struct))
    lines = source.splitlines()
    (made,) = ast.parse(source).body
    assert isinstance(made, ast.ClassDef)
    for field in made.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        own = lines[field.lineno - 1 : field.end_lineno]  # several, where the formatter has broken a long one
        found = next((match for line in own if (match := re.search(r"  # (.+)$", line))), None)
        if found:
            yield field.target.id, found[1]


def _toml(value: Any) -> str:
    """Return a value as config.toml has it."""
    if value is None:
        return "(none)"
    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
