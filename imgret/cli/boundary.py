"""Convert errors to messages on stderr and exit codes, at the outermost level of the process."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from imgret.cli import console
from imgret.errors import Exit, ImgretError

_users_umask = 0o022


def users_umask() -> int:
    """Return the umask that this process was started with. Only files that other programs read get it."""
    return _users_umask


def exit_code(work: Callable[[], int]) -> int:
    """Run `work`, flush its output, and return the exit code. Raises nothing."""
    global _users_umask
    _users_umask = os.umask(0o077)
    code = _guarded(work)
    flush_code = _guarded(_flushed)  # after an error too: the output before it is still wanted
    return flush_code or code


def report_error(error: BaseException) -> int:
    """Print what went wrong, without a traceback. Return the exit code."""
    if isinstance(error, _Wrapped):
        error = error.error
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    if isinstance(error, KeyboardInterrupt):
        return int(Exit.INTERRUPTED)
    reported = as_imgret_error(error)
    console.print_error(reported)
    # Click prints usage errors itself. If stderr cannot be written, that raises OSError, and Click's exit code counts.
    usage_code: object = getattr(error.__context__, "exit_code", None) if isinstance(error, OSError) else None
    return usage_code if isinstance(usage_code, int) else int(reported.exit_code)


def as_imgret_error(error: BaseException) -> ImgretError:
    """Return any error as an ImgretError. The traceback of an unexpected one is written to a file."""
    if isinstance(error, ImgretError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        # An error of a disk, a permission or a limit that was not converted closer to its cause.
        if isinstance(error, FileNotFoundError) and not error.filename:
            return ImgretError("the current folder no longer exists")
        where = console.shown(os.fsencode(error.filename)) if isinstance(error.filename, str | bytes) else ""
        return ImgretError(f"{where or 'the system'}: {error.strerror or error}")
    if isinstance(error, MemoryError):
        return ImgretError("there is not enough memory for this", "Close other programs, or request less.")
    from imgret.cli.crash import report

    kept = report(error)
    hint = f"{console.shown(os.fsencode(kept))} has the details for a bug report." if kept else ""
    return ImgretError(f"imgret failed with an unexpected error: {type(error).__name__}", hint)


def bypass_typer(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command such that Typer does not handle its errors: it prints "Aborted!" for some of them."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (EOFError, OSError) as error:
            raise _Wrapped(error) from None

    return wrapped


class _Wrapped(Exception):
    """Carries an error through Typer unchanged."""

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
        return report_error(error)
