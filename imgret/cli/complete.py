"""What can stand at the cursor of a command line: commands, options, and their values. Pure, given the table of commands.

See `imgret.cli.command_table` for the table.
"""

from __future__ import annotations

from imgret.cli.complete_query import ends_open, query_values

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Values = Callable[[str, str], list[str]]  # kind, beginning -> values of the library

FILES, FOLDERS = "files", "folders"


class Candidates:
    """What may replace the word at the cursor: words with a description, or names of `files` or `folders`."""

    def __init__(self, words: Iterable[tuple[str, str]] = (), names: str = "") -> None:
        self.words = list(words)
        self.names = names

    @property
    def is_open(self) -> bool:
        """Whether text follows the candidates without a space, as after `place:`."""
        return bool(self.words) and all(ends_open(word) for word, _ in self.words)


def complete(table: dict[str, Any], words: list[str], values: Values) -> Candidates:
    """Return the candidates for the last of `words`; the first one follows the program's name."""
    *before, current = words
    command, position, option, only_arguments = table, 0, None, False
    for word in before:
        if option is not None:
            option = None
        elif only_arguments:
            position += 1
        elif word == "--":
            only_arguments = True
        elif word in command["commands"]:
            command, position = command["commands"][word], 0
        elif word.startswith("-") and len(word) > 1:
            found = _option(command, word)
            option = found if found is not None and "metavar" in found else None
        else:
            position += 1
    if option is not None:
        return _values_of(option["values"], current, values)
    name, equals, value = current.partition("=")
    if equals and name.startswith("--") and not only_arguments:
        found = _option(command, name)
        offered = _values_of(found.get("values", ""), value, values) if found else Candidates()
        return Candidates(((f"{name}={word}", text) for word, text in offered.words), offered.names)
    if current.startswith("-") and ":" not in current and not only_arguments:
        return Candidates(
            (name, _first_sentence(each["help"]))
            for each in command["options"]
            for name in each["names"]
            if name.startswith(current) and (name.startswith("--") or len(current) > 1)
        )
    if command["commands"]:
        return Candidates(
            (name, _first_sentence(each["help"]))
            for name, each in command["commands"].items()
            if name.startswith(current)
        )
    arguments = command["arguments"]
    if position < len(arguments):
        return _values_of(arguments[position]["values"], current, values)
    if arguments and arguments[-1]["many"]:
        return _values_of(arguments[-1]["values"], current, values)
    return Candidates()


def _option(command: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((each for each in command["options"] if name in each["names"]), None)


def _values_of(kind: Any, current: str, values: Values) -> Candidates:
    if isinstance(kind, list):
        return Candidates((word, "") for word in kind if word.lower().startswith(current.lower()))
    if kind in (FILES, FOLDERS):
        return Candidates(names=kind)
    if kind == "query":
        return Candidates(query_values(current, values))
    return Candidates((word, "") for word in values(kind, current)) if kind else Candidates()


def _first_sentence(text: str) -> str:
    line = text.split("\n", 1)[0]
    return line.split(". ", 1)[0].rstrip(".:")
