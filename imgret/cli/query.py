"""`imgret query`: a question in plain words."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from imgret.errors import UsageError


def query(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION...", help="Plain words, and filters.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    nul: Annotated[bool, typer.Option("--print0", "-0", help="Paths ended by NUL, for xargs -0.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-k", help="At most that many hits.", min=1, max=100_000)
    ] = 20,
    rank: Annotated[
        str, typer.Option(help="hybrid; vector: the cosine alone; words: BM25 alone.")
    ] = "hybrid",
) -> None:
    """Find photos. Prints their paths, best first; exits with 1 when nothing is found.

    Asks the daemon where one runs, else does the same itself.
    """
    from imgret.cli.quick import asked

    text = " ".join(words or ())
    if not text.strip():
        raise UsageError("what are you looking for?", 'imgret query "two giraffes"')
    if as_json and nul:
        raise UsageError("give one of --json and --print0")
    how = "json" if as_json else "null" if nul else "plain"
    params: dict[str, object] = {"text": text, "k": limit, "rank": rank, "format": how}
    on_terminal = how == "plain" and sys.stdout.isatty()
    code = asked(params) if not on_terminal else None
    if code is None:
        from imgret.cli.asking import ask_here

        code = ask_here(params, on_terminal=on_terminal)
    if code:
        raise typer.Exit(code)
