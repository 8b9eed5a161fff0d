"""`imgret query` against a warm daemon, before anything is imported that costs a millisecond.

Only the plainest flags are read here; anything else, and the absence of a daemon, is left to the full
command line, which runs the same search.
"""

from __future__ import annotations

import os
import sys

from imgret.cli.hit_output import HitOutput
from imgret.cli.quick_places import index_path, socket_path
from imgret.client.protocol import OTHER_INDEX, Refused
from imgret.client.socket_client import NoDaemon
from imgret.client.socket_client import query as query_daemon
from imgret.errors import DaemonError, Exit, UsageError

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from typing import Any

_FORMS = {"--json": "json", "-0": "null", "--print0": "null", "--count": "count"}
_VALUES = {
    "-k": "limit",
    "--limit": "limit",
    "--rank": "rank",
    "--min-strength": "minimum",
    "--sort": "sort",
    "--format": "template",
}


def run(arguments: list[str]) -> int | None:
    """Print the hits and return the exit code; None leaves it to the full command line.

    Without a daemon the same search runs here, still without the half second that Typer would cost.
    """
    read = _read(arguments)
    if read is None:
        return None
    params, form = read
    code = search_by_daemon(params, form)
    if code is not None:
        return code
    from imgret.cli.boundary import exit_code
    from imgret.cli.query_session import search_here

    return exit_code(lambda: search_here(params, form))


def search_by_daemon(params: dict[str, object], form: HitOutput) -> int | None:
    """Search through the daemon; None when there is none, or when it does not serve our index."""
    path = socket_path()
    if not os.path.exists(path):
        return None
    try:
        notes, code, output = query_daemon(path, {**params, "index": index_path()})
    except NoDaemon:
        return None
    except Refused as error:
        if error.code == OTHER_INDEX:
            return None
        _message(f"imgret: {error}")
        if error.hint:
            _message(error.hint)
        return int(error.exit_code)
    except DaemonError as error:
        _message(f"imgret: {error}; searching without it")
        return None
    printed = form.printed(output, str(params["text"]), str(params["folder"]))
    try:
        sys.stdout.buffer.write(printed)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more when it ends
        if not isinstance(error, BrokenPipeError):
            _message(f"imgret: the output cannot be written: {error.strerror}")
            return int(Exit.INDEX)
    # After the hits, which come first wherever stdout and stderr are read together.
    for note in (*notes, *form.remarks(output)):
        _message(note)
    return int(code)


def folder() -> str:
    """Return the current folder; `/` if it was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was removed meanwhile
        return "/"


def _read(arguments: list[str]) -> tuple[dict[str, object], HitOutput] | None:
    """Return the request and the form of its output; None for what only the full command line reads or refuses."""
    params: dict[str, object] = {"folder": folder()}
    options: dict[str, Any] = {}
    forms: list[str] = []
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _FORMS:
            forms.append(_FORMS[argument])
        elif argument == "--first":
            options["first"] = True
        elif argument in _VALUES:
            given = next(rest, "")
            number = given.isdecimal() and given.isascii() and len(given) < 10
            if not given or (argument in ("-k", "--limit") and not number):
                return None
            options[_VALUES[argument]] = int(given) if _VALUES[argument] == "limit" else given
        elif argument == "--":
            words += rest
        elif argument.startswith("-") and (
            argument.startswith(("--", "-k", "-0")) or argument == "-h" or len(words) == 0
        ):
            return None  # an option of the full command line, `-k5` too; a later -word is part of the query
        else:
            words.append(argument)
    params["text"] = text = " ".join(words)
    if not text.strip():
        return None  # an empty query, as by "$UNSET": refused there
    own = {name: options.pop(name) for name in ("rank", "minimum", "sort") if name in options}
    try:
        form = HitOutput(forms, **options)
    except UsageError:
        return None  # reported there
    params |= {"format": form.request_format, "k": form.limit, "minimum": form.min_strength} | own
    return params, form


def _message(sentence: str) -> None:
    try:
        print(_clean(sentence), file=sys.stderr)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the hits are printed without the message


def _clean(text: str) -> str:
    if text.isprintable():  # refuses all that `clean` replaces, and saves its import
        return text
    from imgret.terminal.clean import clean

    return clean(text)
