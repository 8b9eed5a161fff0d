"""`imgret query` against a warm daemon, before anything is imported that costs a millisecond.

Only the plainest flags are read here; anything else, and the absence of a daemon, is left to the full
command line, which asks the same question in the same way.
"""

from __future__ import annotations

import os
import sys

from imgret.cli.hit_output import HitOutput
from imgret.cli.quick_places import index_path, socket_path
from imgret.client.protocol import OTHER_INDEX, Refused
from imgret.client.socket_client import NoDaemon
from imgret.client.socket_client import query as ask_daemon
from imgret.errors import UsageError

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


def answered(arguments: list[str]) -> int | None:
    """Print the answer and give the exit code; None: leave it to the full command line.

    Without a daemon the same search runs here, still without the half second that Typer would cost.
    """
    read = _read(arguments)
    if read is None:
        return None
    params, form = read
    code = asked(params, form)
    if code is not None:
        return code
    from imgret.cli.boundary import exit_code
    from imgret.cli.query_session import ask_here

    return exit_code(lambda: ask_here(params, form))


def asked(params: dict[str, object], form: HitOutput) -> int | None:
    """Ask the daemon; None when there is none, or when it does not serve our index."""
    from imgret.errors import DaemonError

    path = socket_path()
    if not os.path.exists(path):
        return None
    try:
        notes, code, output = ask_daemon(path, {**params, "index": index_path()})
    except NoDaemon:
        return None
    except Refused as error:
        if error.code == OTHER_INDEX:
            return None
        _say(f"imgret: {error}")
        if error.hint:
            _say(error.hint)
        return int(error.exit_code)
    except DaemonError as error:
        _say(f"imgret: {error}; searching without it")
        return None
    printed = form.printed(output, str(params["text"]), str(params["folder"]))
    try:
        sys.stdout.buffer.write(printed)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more when it ends
        if not isinstance(error, BrokenPipeError):
            _say(f"imgret: the output cannot be written: {error.strerror}")
            return 3
    for note in notes:  # after the hits, which come first wherever stdout and stderr are read together
        _say(note)
    return int(code)


def folder() -> str:
    """Where the question is asked."""
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was removed meanwhile
        return "/"


def _read(arguments: list[str]) -> tuple[dict[str, object], HitOutput] | None:
    """Return the request and the form of its answer; None for what only the full command line reads or refuses."""
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
        elif argument.startswith("-") and (argument.startswith("--") or len(words) == 0):
            return None  # an option of the full command line; a later -word is part of the question
        else:
            words.append(argument)
    params["text"] = text = " ".join(words)
    if not text.strip():
        return None  # nothing is asked, as by "$UNSET": refused there
    own = {name: options.pop(name) for name in ("rank", "minimum", "sort") if name in options}
    try:
        form = HitOutput(forms, **options)
    except UsageError:
        return None  # said there
    params |= {"format": form.request_format, "k": form.limit, "minimum": form.min_strength} | own
    return params, form


def _say(sentence: str) -> None:
    try:
        print(_clean(sentence), file=sys.stderr)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # nobody can be told: the answer comes all the same


def _clean(text: str) -> str:
    if text.isprintable():  # refuses all that `clean` replaces, and saves its import
        return text
    from imgret.terminal.clean import clean

    return clean(text)
