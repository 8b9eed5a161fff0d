"""The commands, options and arguments of the three programs as plain data, read from what prints their help.

Shell completion and the man pages are made from it. A program is a command; `commands` are those below it::

    {"help": "...", "epilog": "...", "options": [...], "arguments": [...], "commands": {"query": {...}}}
    an option: {"names": ["--limit", "-k"], "metavar": "INTEGER", "help": "...", "values": "rank"}
    an argument: {"metavar": "QUERY", "help": "...", "values": "query", "many": true}

`metavar` is missing for an option without a value. `values` is what completes it: a list of choices, `files`,
`folders`, `query`, `stage`, or a kind of value in the library (`imgret.search.known_values`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgret.photo import RANKS, SORTS, STRENGTHS
from imgret.store.clauses import HAS

if TYPE_CHECKING:
    import argparse

FORMATS = ("JPEG", "PNG", "HEIF", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "JXL", "MPO")
SHELLS = ("bash", "zsh", "fish")
_BY_NAME: dict[str, Any] = {
    "--rank": RANKS,
    "--sort": SORTS,
    "--min-strength": STRENGTHS,
    "--has": HAS,
    "--file-format": FORMATS,
    "--topic": "topic",
    "--camera": "camera",
    "--place": "place",
    "--near": "place",
    "--batch": "files",
    "--like": "files",
    "--save": "files",
    "--index": "files",
    "QUERY": "query",
    "PLACE": "place",
    "STAGE": "stage",
    "STAGES": "stage",
    "FOLDER": "folders",
    "FOLDERS": "folders",
    "SHELL": SHELLS,
}
_FILES = (
    "FILE",
    ".json",
    "JSONL",
    "PATH",
    "IMAGE",
    "BACKUP",
    "DIR",
    "REPORT",
    "RESULT",
)  # parts of a metavar


def of_click(command: Any) -> dict[str, Any]:
    """Return the table of a Click command or group, without hidden options."""
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    table: dict[str, Any] = {
        "help": _sentences(command.help),
        "epilog": _sentences(command.epilog),
        "options": [_click_option(each) for each in parameters if each.param_type_name == "option"],
        "arguments": [
            _argument(_metavar(each), each.help, many=each.nargs == -1)
            for each in parameters
            if each.param_type_name == "argument"
        ],
        "commands": {
            name: of_click(each) for name, each in getattr(command, "commands", {}).items() if not each.hidden
        },
    }
    table["options"].append({"names": ["--help", "-h"], "help": "Show the help and exit."})
    return table


def of_argparse(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return the table of an argparse parser."""
    options, arguments = [], []
    for action in parser._actions:
        metavar = action.metavar or (action.dest.upper() if action.nargs != 0 else None)
        if not action.option_strings:
            arguments.append(_argument(str(metavar), action.help, many=action.nargs in ("*", "+")))
            continue
        option: dict[str, Any] = {"names": list(action.option_strings), "help": action.help or ""}
        if metavar is not None:
            option |= {"metavar": str(metavar), "values": _values(option["names"][-1], str(metavar))}
        if action.choices:
            option["values"] = [str(choice) for choice in action.choices]
        options.append(option)
    return {
        "help": parser.description or "",
        "epilog": parser.epilog or "",
        "options": options,
        "arguments": arguments,
        "commands": {},
    }


def own_table() -> dict[str, Any]:
    """Return the table of `imgret`, read from its commands: takes a fifth of a second."""
    import typer.main

    from imgret.cli.commands import app

    return of_click(typer.main.get_command(app))


def _click_option(option: Any) -> dict[str, Any]:
    names = sorted(option.opts, key=lambda name: not name.startswith("--"))
    found: dict[str, Any] = {"names": [*names, *option.secondary_opts], "help": _sentences(option.help)}
    if not option.is_flag:
        metavar = _metavar(option)
        found |= {"metavar": metavar, "values": _values(names[0], metavar)}
    return found


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    annotation = parameter.type_descriptor.annotation
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return "NUMBER" if "int" in str(annotation) or "float" in str(annotation) else "TEXT"


def _argument(metavar: str, text: str | None, *, many: bool) -> dict[str, Any]:
    return {"metavar": metavar, "help": _sentences(text), "values": _values("", metavar), "many": many}


def _values(name: str, metavar: str) -> Any:
    known = _BY_NAME.get(name) or _BY_NAME.get(metavar)
    if known is not None:
        return list(known) if isinstance(known, tuple) else known
    return "files" if any(part in metavar for part in _FILES) else ""


def _sentences(text: str | None) -> str:
    """Return a text of the help with one line for each paragraph."""
    paragraphs = (text or "").replace("\b", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()
