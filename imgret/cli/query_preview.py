"""`imgret query --preview`: print each hit with its image."""

from __future__ import annotations

import json
import os
import shutil

from imgret.cli import console
from imgret.cli.hit_output import HitOutput, hit_path
from imgret.cli.hit_text import hit_lines, style_of
from imgret.cli.query_session import search
from imgret.cli.small_images import small_images
from imgret.errors import PhotoError
from imgret.terminal.probe import Capabilities, TerminalQuery
from imgret.terminal.show import show
from imgret.terminal.tty import own_terminal

COLUMNS, ROWS = 40, 12  # size of an image in terminal cells, at most
SIDE = 512  # longer side of the decoded image in pixels


def preview_hits(params: dict[str, object], form: HitOutput) -> int:
    """Search and print the hits. Return the exit code. Raises ImgretError."""
    output = search(params)
    query, folder = str(params["text"]), str(params["folder"])
    hits = [json.loads(line) for line in form.printed(output.output, query, folder).splitlines()]
    style = style_of(os.environ, folder, query)
    terminal = _terminal()
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    for hit, image in zip(hits, small_images(map(hit_path, hits), SIDE), strict=True):
        console.out(hit_lines(hit, hit_path(hit), style).encode("utf-8", "replace"))
        if isinstance(image, PhotoError):
            console.message(str(image))
        else:
            console.out(show(image, columns, ROWS, terminal))
        console.flush()
    console.messages(output.notes)
    return int(output.exit)


def _terminal() -> Capabilities:
    """Query what the terminal can display."""
    with own_terminal() as descriptor, TerminalQuery(descriptor) as query:
        return query.capabilities()[0]
