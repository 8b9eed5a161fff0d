"""`imgret stats`: what the library has, as bars."""

from __future__ import annotations

import shutil
from typing import Annotated

import msgspec
import typer

from imgret.cli import console
from imgret.cli.library_stats import MOST, library_stats
from imgret.cli.session import session
from imgret.errors import Exit
from imgret.terminal.bars import bar_lines


def stats(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    most: Annotated[
        int, typer.Option("--most", help="At most that many rows of a kind; years are all shown.", min=1)
    ] = MOST,
) -> None:
    """Count the photos by year, place, camera and label.

    Labels are objects, topics and keywords. Copies are counted once. Exits with 1 if nothing is known of any photo.
    """
    with session().index() as store:
        sections = library_stats(store, most)
    if as_json:
        console.out_json(msgspec.json.encode({"v": 1, **{key: dict(rows) for key, rows in sections.items()}}))
    else:
        shown = {title: rows for title, rows in sections.items() if rows}
        width = min(100, shutil.get_terminal_size().columns)
        for number, (title, rows) in enumerate(shown.items()):
            console.out_line(("\n" if number else "") + title)
            for line in bar_lines(rows, width):
                console.out_line(line)
    if not any(sections.values()):
        console.message("nothing is known of any photo yet; `imgret index FOLDER` describes photos")
        raise typer.Exit(Exit.NO_HITS)
