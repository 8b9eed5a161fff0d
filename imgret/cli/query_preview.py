"""`imgret query --preview`: print each hit with its image."""

from __future__ import annotations

import base64
import json
import shutil
from typing import Any

from imgret.cli import console
from imgret.cli.query_session import ask
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError
from imgret.terminal.clean import clean
from imgret.terminal.probe import Capabilities, TerminalQuery
from imgret.terminal.show import show
from imgret.terminal.tty import own_terminal

COLUMNS, ROWS = 40, 12  # size of an image in terminal cells, at most
SIDE = 512  # longer side of the decoded image in pixels


def preview_hits(params: dict[str, object]) -> int:
    """Search and print the hits. Return the exit code. Raises ImgretError."""
    output = ask({**params, "format": "json"})
    hits = [json.loads(line) for line in output.output.splitlines()]
    terminal = _terminal()
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    with DecodePool(2, side=SIDE) as pool:
        images = [(hit, pool.submit(_path(hit))) for hit in hits]
        for hit, image in images:
            console.out_line(_line(hit))
            try:
                console.out(show(image.result().pixels, columns, ROWS, terminal))
            except PhotoError as error:
                console.say(str(error))
            console.flush()
    console.say_all(output.notes)
    return int(output.exit)


def _path(hit: dict[str, Any]) -> bytes:
    return base64.b64decode(hit["path_bytes"]) if "path_bytes" in hit else str(hit["path"]).encode()


def _line(hit: dict[str, Any]) -> str:
    why = f"  ({', '.join(hit['why'])})" if hit["why"] else ""
    return clean(f"{hit['rank']}. {hit['path']}  {hit['strength']}{why}")


def _terminal() -> Capabilities:
    """Query what the terminal can display."""
    with own_terminal() as descriptor, TerminalQuery(descriptor) as query:
        return query.capabilities()[0]
