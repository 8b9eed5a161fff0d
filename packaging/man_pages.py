"""Man pages in roff(7), from the tables of `imgret.cli.command_table`: the same texts as `--help`."""

from __future__ import annotations

from typing import Any

_FILES = """\
.TP
.I ~/.config/imgret/config.toml
The settings; $IMGRET_CONFIG names another file.
.TP
.I ~/.local/share/imgret/index.db
The index; $IMGRET_INDEX names another file or the address of a PostgreSQL database.
"""


def man_page(name: str, table: dict[str, Any], version: str, date: str, also: list[str]) -> str:
    """Return the page of a program in section 1. `also` are the names of the other programs."""
    summary = table["help"].split("\n\n")[0].rstrip(".")
    lines = [
        f'.TH {roff(name).upper()} 1 "{date}" "imgret {version}" "User Commands"',
        ".SH NAME",
        f"{roff(name)} \\- {roff(summary[:1].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        _synopsis(name, table),
        ".SH DESCRIPTION",
        *_paragraphs(table["help"]),
    ]
    if table["arguments"] or table["options"]:
        lines += [".SH OPTIONS", *_parameters(table)]
    if table["commands"]:
        lines.append(".SH COMMANDS")
        for words, command in _leaves(name, table):
            lines += [
                f".SS {roff(words)}",
                _synopsis(words, command),
                *_paragraphs(command["help"]),
                *_parameters(command),
            ]
    if epilog := table["epilog"] or next((each["epilog"] for _, each in _leaves(name, table)), ""):
        lines += [
            ".SH NOTES",
            *(line for part in epilog.splitlines() for line in (".PP", roff(part)) if part),
        ]
    lines += [
        ".SH FILES",
        _FILES.rstrip(),
        ".SH SEE ALSO",
        ", ".join(f"\\fB{roff(each)}\\fR(1)" for each in also),
    ]
    return "\n".join(lines) + "\n"


def roff(text: str) -> str:
    """Return `text` as roff prints it literally, also at the beginning of a line."""
    for character, written in (("\\", "\\e"), ("-", "\\-"), ("~", "\\(ti"), ("^", "\\(ha"), ("`", "\\(ga")):
        text = text.replace(character, written)
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _leaves(name: str, table: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for word, command in table["commands"].items():
        found += _leaves(f"{name} {word}", command) if command["commands"] else [(f"{name} {word}", command)]
    return found


def _synopsis(words: str, table: dict[str, Any]) -> str:
    arguments = "".join(
        f" [\\fI{roff(each['metavar'])}\\fR]{'...' if each['many'] else ''}" for each in table["arguments"]
    )
    command = " \\fICOMMAND\\fR" if table["commands"] else ""
    return f"\\fB{roff(words)}\\fR [\\fIOPTIONS\\fR]{command}{arguments}"


def _parameters(table: dict[str, Any]) -> list[str]:
    lines = []
    for argument in table["arguments"]:
        lines += [".TP", f"\\fI{roff(argument['metavar'])}\\fR", roff(argument["help"])]
    for option in table["options"]:
        names = ", ".join(f"\\fB{roff(name)}\\fR" for name in option["names"])
        value = f" \\fI{roff(option['metavar'])}\\fR" if "metavar" in option else ""
        lines += [".TP", names + value, roff(option["help"])]
    return lines


def _paragraphs(text: str) -> list[str]:
    return [line for part in text.split("\n\n") for line in (".PP", roff(part))]
