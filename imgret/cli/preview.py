"""`imgret query --preview`: the hits with their pictures, one below the other."""

from __future__ import annotations

import os
import shutil

from imgret.answer import Answerer, read_request
from imgret.cli import render
from imgret.cli.session import session
from imgret.describe.decode import DecodePool
from imgret.errors import PhotoError
from imgret.photo import Hit
from imgret.terminal.clean import clean
from imgret.terminal.probe import Capabilities, Conversation
from imgret.terminal.show import show
from imgret.terminal.tty import own_terminal

COLUMNS, ROWS = 40, 12  # cells of a picture, at most
SIDE = 512  # pixels that are decoded for it


def preview_hits(params: dict[str, object]) -> int:
    """Ask in this process, print, and give the exit code. Raises ImgretError."""
    here = session()
    with here.index() as index:
        answerer = Answerer(index, here.settings, here.places)
        answer = answerer.find(read_request(params))
    render.say_all(answer.notes)
    terminal = _terminal()
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    with DecodePool(2, side=SIDE) as pool:
        pictures = [(hit, pool.submit(hit.path)) for hit in answer.hits]
        for hit, picture in pictures:
            render.out_line(_line(hit))
            try:
                render.out(show(picture.result().pixels, columns, ROWS, terminal))
            except PhotoError as error:
                render.say(str(error))
            render.flush()
    return 0 if answer.hits else 1


def _line(hit: Hit) -> str:
    why = f"  ({', '.join(hit.why)})" if hit.why else ""
    return clean(f"{hit.rank}. {os.fsdecode(hit.path)}  {hit.strength}{why}")


def _terminal() -> Capabilities:
    """What the terminal can show; asked once."""
    with own_terminal() as descriptor, Conversation(descriptor) as conversation:
        return conversation.answers()[0]
