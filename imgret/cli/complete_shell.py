"""`imgret __complete SHELL ...`: what the completion scripts in `imgret/cli/shell` call at each press of tab.

The first line of the output is `words`, `open` (words that no space follows), `files` or `folders`. Each line after it is
a candidate, a tab, and its description.

- zsh and fish give the words of the command line up to the cursor, without quotes.
- bash gives the line up to the cursor and its COMP_WORDBREAKS. It replaces only what follows the last of them, and does not
  quote what it inserts: both are done here.
"""

from __future__ import annotations

import json
import os
import re
import sys

from imgret.cli.complete import Candidates, complete
from imgret.cli.library_values import library_values
from imgret.terminal.clean import REPLACEMENT, clean

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from typing import Any

TABLES = os.path.join(os.path.dirname(__file__), "commands.json")  # made by `make reference`
_UNQUOTED = re.compile(r"[^\w@%+=:,./~-]")
_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`!]')


def main(arguments: list[str]) -> int:
    """Print the candidates. Return the exit code, which is always 0: a shell has no use for an error."""
    if not arguments:
        return 0
    shell, *given = arguments
    quote, breaks = "", ""
    if shell == "bash":
        line, breaks = (*given, "", "")[:2]
        words, quote = split_line(line)
    else:
        words = given
    program, *rest = words if len(words) > 1 else [*words, ""]
    tables = load_tables()
    table = tables.get(os.path.basename(program), tables["imgret"])  # it may be called by an alias
    found = complete(table, rest, _values)
    sys.stdout.buffer.write(printed(found, shell, rest[-1], quote, breaks).encode("utf-8", "surrogateescape"))
    return 0


def load_tables() -> dict[str, Any]:
    """Return the tables of the programs by name."""
    with open(TABLES, encoding="utf-8") as file:
        tables: dict[str, Any] = json.load(file)
        return tables


def printed(found: Candidates, shell: str, current: str, quote: str, breaks: str) -> str:
    """Return the output for a shell. `current` is the word at the cursor, `quote` the quote that is open in it."""
    if found.names:
        return f"{found.names}\n"
    lines = ["open" if found.is_open else "words"]
    for word, text in found.words:
        if clean(word) != word or REPLACEMENT in word:
            continue  # a name that no terminal can show; who wants it writes it
        if shell == "bash":
            word = quoted(word[_broken_at(current, breaks) :] if not quote else word, quote)
        lines.append(f"{word}\t{clean(text)}")
    return "".join(f"{line}\n" for line in lines)


def split_line(line: str) -> tuple[list[str], str]:
    """Split a line up to the cursor into words, as bash does. Return them and the quote that is still open.

    The last word is the one at the cursor; it may be empty. What follows `|`, `;` and `&` is a line of its own.
    """
    words: list[str] = []
    word, quote, started = "", "", False
    characters = iter(line)
    for character in characters:
        if quote == "'":
            quote, word = ("", word) if character == "'" else (quote, word + character)
        elif character == "\\":
            word, started = word + next(characters, ""), True
        elif quote:
            quote, word = ("", word) if character == '"' else (quote, word + character)
        elif character in "'\"":
            quote, started = character, True
        elif character in "|;&\n":
            words, word, started = [], "", False
        elif character.isspace():
            words += [word] if word or started else []
            word, started = "", False
        else:
            word += character
    return [*words, word], quote


def quoted(word: str, quote: str) -> str:
    """Return a word as it is inserted into a line of bash, within the quote that is open, if any."""
    if quote == "'":
        return word.replace("'", "'\\''")
    if quote:
        return _IN_DOUBLE_QUOTES.sub(r"\\\g<0>", word)
    return _UNQUOTED.sub(r"\\\g<0>", word)


def _broken_at(current: str, breaks: str) -> int:
    """Return where bash begins to replace an unquoted word."""
    return max((current.rfind(mark) + 1 for mark in breaks if mark in ":="), default=0)


def _values(kind: str, beginning: str) -> list[str]:
    if kind == "stage":
        from imgret.stages import registry

        return [name for name in registry.installed().names if name.startswith(beginning)]
    return library_values(kind, beginning)
