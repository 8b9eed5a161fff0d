"""Questions asked from here: one, or many in one go, by the daemon as long as there is one for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from imgret import inputs
from imgret.cli import console
from imgret.cli.boundary import as_sentence
from imgret.cli.session import Session, session
from imgret.client.protocol import OTHER_INDEX, Refused
from imgret.client.socket_client import Connection, NoDaemon
from imgret.errors import DaemonError, Exit, ImgretError, UsageError
from imgret.search.request import check, read_request
from imgret.search.service import Answered, Answerer

if TYPE_CHECKING:
    from imgret.search.warm_index import Keeper

MANY = 32  # questions for which it pays to read all vectors into memory first


def ask_here(params: dict[str, object]) -> int:
    """Search in this process, print, and give the exit code. Raises ImgretError."""
    here = session()
    with here.index() as store:
        answered = Answerer(store, here.settings, here.places).answer(read_request(params))
    console.say_all(answered.notes)
    console.out(answered.output)
    return int(answered.exit)


def ask(params: dict[str, object]) -> Answered:
    """The answer to one question, to be shown in another way. Raises ImgretError."""
    with _answers(session(), many=False) as answers:
        return answers.answer(params)


def questions(path: str) -> list[str]:
    """The lines of a file, or of stdin for `-`, without empty ones at the end."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(inputs.path(path), "rb") as file:
                data = file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    return [os.fsdecode(line.removesuffix(b"\r")) for line in data.split(b"\n")] if data.strip() else []


def ask_all(params: dict[str, object], asked: Sequence[str]) -> int:
    """Answer one question after the other; a sentence that says why, for one that cannot be read.

    The exit code is 0 when any of them had a hit, and that of the last one that could not be answered.
    """
    check(read_request(params))
    worst, any_hits = Exit.OK, False
    told: set[str] = set()
    with _answers(session(), many=len(asked) >= MANY) as answers:
        for number, text in enumerate(asked):
            try:
                answered = answers.answer({**params, "text": text, "number": number})
            except Exception as error:
                # One question costs itself alone; without an index, all that follow would end like this one.
                told_ = as_sentence(error)
                if isinstance(error, ImgretError) and error.exit_code not in (Exit.USAGE, Exit.DAEMON):
                    raise
                console.say(f"question {number}: {told_}")
                worst = Exit(told_.exit_code)
                continue
            console.say_all(note for note in answered.notes if note not in told)
            told.update(answered.notes)
            console.out(answered.output)
            any_hits = any_hits or answered.exit is Exit.OK
    return int(worst or (Exit.OK if any_hits else Exit.NO_HITS))


class _Answers:
    """Answers by the daemon of this index; from when there is none, in this process."""

    def __init__(self, here: Session, opened: ExitStack, *, many: bool) -> None:
        self._here, self._opened, self._many = here, opened, many
        self._answerer: Answerer | None = None
        self._daemon: Connection | None = None
        try:
            self._daemon = opened.enter_context(Connection(here.places.socket))
        except NoDaemon:
            pass
        except DaemonError as error:
            console.say(f"{error}; asking without it")

    def answer(self, params: dict[str, Any]) -> Answered:
        """The answer to one question. Raises ImgretError."""
        if self._daemon is not None:
            try:
                notes, code, output = self._daemon.query({**params, "index": self._here.places.index})
                return Answered(output, notes, code)
            except Refused as error:
                if error.code != OTHER_INDEX:
                    raise
            except NoDaemon:
                pass
            except DaemonError as error:
                console.say(f"{error}; asking without it")
            self._daemon = None
        return self._local().answer(read_request(params))

    def _local(self) -> Answerer:
        if self._answerer is None:
            here = self._here
            store = self._opened.enter_context(here.index())
            keeper: Keeper | None = None
            if self._many:
                from imgret.search.warm_index import Keeper

                keeper = Keeper(here.places.index)
                keeper.current(store)
                keeper.wait()
            self._answerer = Answerer(store, here.settings, here.places, keeper=keeper)
        return self._answerer


@contextmanager
def _answers(here: Session, *, many: bool) -> Iterator[_Answers]:
    with ExitStack() as opened:
        yield _Answers(here, opened, many=many)
