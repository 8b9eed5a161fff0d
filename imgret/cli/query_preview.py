"""`imgret query --preview`: the hits with their pictures, one below the other."""

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

COLUMNS, ROWS = 40, 12  # cells of a picture, at most
SIDE = 512  # pixels that are decoded for it


def preview_hits(params: dict[str, object]) -> int:
    """Ask, print, and give the exit code. Raises ImgretError."""
    answered = ask({**params, "format": "json"})
    console.say_all(answered.notes)
    hits = [json.loads(line) for line in answered.output.splitlines()]
    terminal = _terminal()
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    with DecodePool(2, side=SIDE) as pool:
        pictures = [(hit, pool.submit(_path(hit))) for hit in hits]
        for hit, picture in pictures:
            console.out_line(_line(hit))
            try:
                console.out(show(picture.result().pixels, columns, ROWS, terminal))
            except PhotoError as error:
                console.say(str(error))
            console.flush()
    return int(answered.exit)


def _path(hit: dict[str, Any]) -> bytes:
    return base64.b64decode(hit["path_bytes"]) if "path_bytes" in hit else str(hit["path"]).encode()


def _line(hit: dict[str, Any]) -> str:
    why = f"  ({', '.join(hit['why'])})" if hit["why"] else ""
    return clean(f"{hit['rank']}. {hit['path']}  {hit['strength']}{why}")


def _terminal() -> Capabilities:
    """What the terminal can show; asked once."""
    with own_terminal() as descriptor, TerminalQuery(descriptor) as query:
        return query.capabilities()[0]
