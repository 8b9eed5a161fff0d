"""The edge of the process: the one place where an error becomes two lines and an exit code."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from imgret.cli import console
from imgret.errors import Exit, ImgretError


def exit_code(work: Callable[[], int]) -> int:
    """Do `work` and hand its output to the reader. -> the exit code; nothing but a code leaves here."""
    os.umask(0o077)
    code = _guarded(work)
    lost = _guarded(_flushed)  # after an error too: what was found before it is the reader's
    return lost or code


def failed(error: BaseException) -> int:
    """Say what went wrong, in a sentence and never with a traceback. -> the exit code."""
    if isinstance(error, _Carried):
        error = error.error
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    if isinstance(error, KeyboardInterrupt):
        return int(Exit.INTERRUPTED)
    told = as_sentence(error)
    console.complain(told)
    # Click tells what is wrong with a command line itself, and this error may say that stderr cannot be written.
    refused: object = getattr(error.__context__, "exit_code", None) if isinstance(error, OSError) else None
    return refused if isinstance(refused, int) else int(told.exit_code)


def as_sentence(error: BaseException) -> ImgretError:
    """Any error as one of ours; for one that nobody foresaw the traceback is kept in a file."""
    if isinstance(error, ImgretError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        # A disk, a permission, a limit that nothing below has put into words.
        if isinstance(error, FileNotFoundError) and not error.filename:
            return ImgretError("the folder that this was called in is no longer there")
        where = console.shown(os.fsencode(error.filename)) if isinstance(error.filename, str | bytes) else ""
        return ImgretError(f"{where or 'the system'}: {error.strerror or error}")
    if isinstance(error, MemoryError):
        return ImgretError("there is not enough memory for this", "End other programs, or search for less.")
    from imgret.cli.crash import report

    kept = report(error)
    hint = f"{console.shown(os.fsencode(kept))} has the details, for a report." if kept else ""
    return ImgretError(f"imgret failed for a reason that it does not know: {type(error).__name__}", hint)


def past_typer(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, whose errors Typer cannot take for its own: it would answer some of them with "Aborted!"."""

    @functools.wraps(command)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (EOFError, OSError) as error:
            raise _Carried(error) from None

    return called


class _Carried(Exception):
    """An error on its way through Typer."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _flushed() -> int:
    console.flush()
    return 0


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return failed(error)
