"""The help describes every command, every option and the exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from imgret.cli.commands import app
from imgret.errors import EXIT_MEANING


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(the words that call it, the command) of every command, groups included."""
    yield " ".join(("imgret", *path)), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))
LEAVES = {name: command for name, command in COMMANDS.items() if not hasattr(command, "commands")}


def test_the_commands_are_those_of_the_design() -> None:
    assert {name.partition(" ")[2] for name in LEAVES} >= {
        "query", "index", "add", "remove", "folders", "show", "note", "status", "retry", "models list",
        "models pull", "models verify", "demo", "doctor", "pause", "resume", "backup", "export",
    }  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_text(name: str) -> None:
    help_text = (COMMANDS[name].help or "").strip()
    assert help_text
    assert help_text.split("\n\n")[0].rstrip().endswith(".")
    assert help_text[0].isupper()


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_and_argument_has_a_help_text(name: str) -> None:
    for parameter in LEAVES[name].params:
        assert (getattr(parameter, "help", None) or "").strip(), f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", LEAVES)
def test_every_help_has_the_table_of_exit_codes(name: str) -> None:
    command = LEAVES[name]
    context = command.make_context(name, ["--help"], resilient_parsing=True)
    help_text = " ".join(command.get_help(context).split())
    for code, meaning in EXIT_MEANING.items():
        assert f"{code.value} {meaning}" in help_text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_help_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for name, command in LEAVES.items():
        context = command.make_context(
            name, [], resilient_parsing=True, terminal_width=width, max_content_width=width
        )
        for line in command.get_help(context).splitlines():
            assert len(line) <= width + 8, f"{name}: {line}"  # a word is not broken
