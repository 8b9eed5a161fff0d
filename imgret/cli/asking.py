"""Questions asked in this process, where no daemon answers them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from imgret.answer import Answerer, read_request
from imgret.cli import render
from imgret.cli.session import session
from imgret.errors import Exit, QueryError, UsageError
from imgret.terminal.clean import clean

MANY = 32  # questions for which it pays to read all vectors into memory first


def ask_here(params: dict[str, object], *, on_terminal: bool = False) -> int:
    """Search with the settings of the user, print, and give the exit code. Raises ImgretError."""
    here = session()
    with here.index() as index:
        answered = Answerer(index, here.settings, here.places).answer(read_request(params))
    render.say_all(answered.notes)
    output = answered.output
    if on_terminal:  # a person reads it: names are cleaned, the original bytes go to programs only
        output = b"".join(clean(line).encode() + b"\n" for line in output.splitlines())
    render.out(output)
    return int(answered.exit)


def questions(path: str) -> list[str]:
    """The lines of a file, or of stdin for `-`, without empty ones at the end."""
    try:
        if path == "-":
            text = sys.stdin.buffer.read().decode()
        else:
            with open(path, encoding="utf-8") as file:
                text = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (byte {error.start})") from None
    return text.rstrip("\n").split("\n") if text.strip() else []


def ask_all(params: dict[str, object], asked: Sequence[str]) -> int:
    """Answer one question after the other; a sentence that says why, for one that cannot be read.

    The exit code is 0 when any of them had a hit, and that of a wrong question when one was.
    """
    from imgret.search.warm import Keeper

    here, worst, any_hits = session(), Exit.OK, False
    told: set[str] = set()
    with here.index() as index:
        keeper = Keeper(here.places.index) if len(asked) >= MANY else None
        if keeper is not None:
            keeper.current(index)
            keeper.wait()
        answerer = Answerer(index, here.settings, here.places, keeper=keeper)
        for number, text in enumerate(asked):
            try:
                answered = answerer.answer(read_request({**params, "text": text, "number": number}))
            except QueryError as error:
                render.say(f"question {number}: {error}")
                worst = Exit.USAGE
                continue
            render.say_all(note for note in answered.notes if note not in told)
            told.update(answered.notes)
            render.out(answered.output)
            any_hits = any_hits or answered.exit is Exit.OK
    return int(worst or (Exit.OK if any_hits else Exit.NO_HITS))
