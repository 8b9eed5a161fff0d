"""A question asked in this process, where no daemon answers it."""

from __future__ import annotations

from imgret.answer import Answerer, read_request
from imgret.cli import render
from imgret.cli.session import session
from imgret.terminal.clean import clean


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
