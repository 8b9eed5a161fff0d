"""Run one query or many, by the daemon if there is one for this index, else in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from imgret import inputs
from imgret.cli import console
from imgret.cli.boundary import as_imgret_error
from imgret.cli.hit_output import HitOutput
from imgret.cli.session import Session, session
from imgret.errors import Exit, ImgretError, UsageError
from imgret.search.request import check, read_request
from imgret.search.service import SearchOutput
from imgret.search_client import SearchClient

MANY = 32  # queries from which on it is faster to read all vectors into memory first


def search_here(params: dict[str, object], form: HitOutput) -> int:
    """Search in this process, print the hits, and return the exit code. Raises ImgretError."""
    with _client(session()) as client:
        found = client.search_locally(params)
    output = form.printed(found.output, str(params["text"]), str(params["folder"]))
    _print(output, [*found.notes, *form.remarks(found.output)])
    return int(found.exit)


def search(params: dict[str, object]) -> SearchOutput:
    """Return the output of one query, to be shown in another way. Raises ImgretError."""
    with _client(session()) as client:
        return client.search(params)


def read_queries(path: str) -> list[str]:
    """The lines of a file, or of stdin for `-`, without empty ones at the end."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(inputs.path_bytes(path), "rb") as file:
                data = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    return [os.fsdecode(line.removesuffix(b"\r")) for line in data.split(b"\n")] if data.strip() else []


def search_all(params: dict[str, object], queries: Sequence[str], form: HitOutput) -> int:
    """Run one query after the other. An invalid one is reported, and the others run.

    The exit code is 0 when any of them had a hit, and that of the last invalid one.
    """
    check(read_request(params))
    worst, any_hits = Exit.OK, False
    printed: set[str] = set()
    with _client(session(), many=len(queries) >= MANY) as client:
        for number, text in enumerate(queries):
            try:
                found = client.search({**params, "text": text, "number": number})
            except Exception as error:
                # An invalid query fails alone; without an index, all that follow would fail like this one.
                problem = as_imgret_error(error)
                if isinstance(error, ImgretError) and error.exit_code not in (Exit.USAGE, Exit.DAEMON):
                    raise
                console.message(f"query {number}: {problem}")
                worst = Exit(problem.exit_code)
                continue
            output = form.printed(found.output, text, str(params["folder"]))
            notes = [*found.notes, *form.remarks(found.output)]
            _print(output, [note for note in notes if note not in printed])
            printed.update(notes)
            any_hits = any_hits or found.exit is Exit.OK
    return int(worst or (Exit.OK if any_hits else Exit.NO_HITS))


def _print(output: bytes, notes: Sequence[str]) -> None:
    """Print the hits, then the notes: hits come first wherever stdout and stderr are read together."""
    console.out(output)
    if notes:
        console.flush()
        console.messages(notes)


def _client(here: Session, *, many: bool = False) -> SearchClient:
    return SearchClient(here.settings, here.places, warn=console.message, preload_vectors=many)
