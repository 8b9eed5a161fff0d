"""Translate errors of the PostgreSQL server and of the connection to it into errors of imgret."""

from __future__ import annotations

import re
from types import TracebackType

import psycopg
from psycopg import errors

from imgret.errors import DiskFull, ImgretError, IndexBusy, IndexProblem, ReadOnly

BUSY_SECONDS = 30  # transactions are short; only a suspended process holds the lock for longer
_PREFIX = re.compile(r"^(- host: .*?: )?connection (failed|is bad): (?=connection )")
_SERVER_HINT = "Start the server, or correct the address; `imgret doctor` reports more."


class translated_errors:  # noqa: N801 - it is used as a function
    """Translate the errors of psycopg about the index at `place`."""

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, psycopg.Error):
            raise problem(error, self._place) from error


def problem(error: psycopg.Error, place: str) -> ImgretError:
    """Return the imgret error for an error of psycopg about the index at `place`."""
    why = sentence(error)
    match error:
        case errors.DiskFull():
            return DiskFull(f"the server of {place} reports that its disk is full")
        case errors.ReadOnlySqlTransaction():
            return ReadOnly(f"{place} cannot be written: {why}")
        case errors.InsufficientPrivilege():
            return ReadOnly(
                f"the server of {place} refused: {why}",
                "Run `imgret doctor`: it prints the SQL by which an administrator grants the right.",
            )
        case errors.LockNotAvailable():
            return IndexBusy(f"{place} was locked by another process for {BUSY_SECONDS} s")
        case errors.QueryCanceled():
            return IndexBusy(
                f"the server of {place} ended a statement: {why}",
                "Raise `statement_timeout` for this user, or set it to 0.",
            )
        case errors.TooManyConnections():
            return IndexBusy(
                f"the server of {place} accepts no more connections", "Raise its `max_connections`."
            )
        case errors.SerializationFailure() | errors.DeadlockDetected():
            return IndexBusy(
                f"another process changed {place} at the same moment", "Run the same command again."
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.UndefinedFunction():
            return IndexProblem(
                f"{place} is not complete: {why}",
                "Copy the index from a backup, or name another schema and index again.",
            )
        # Errors of connecting have no class of their own.
        case psycopg.OperationalError() if "too many" in why:
            return IndexBusy(
                f"the server of {place} accepts no more connections",
                "Raise its `max_connections`, or the limit of the user.",
            )
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return IndexProblem(f"there is no connection to {place}: {why}", _SERVER_HINT)
    return IndexProblem(f"{place} cannot be used: {why}", "Run `imgret doctor` to check it.")


def sentence(error: psycopg.Error) -> str:
    """Return the message of an error in one line.

    libpq asks whether the server runs, which our advice answers. For several addresses psycopg repeats the error of the
    last one, and lists all with a hyphen.
    """
    text = error.diag.message_primary or str(error).strip() or type(error).__name__
    lines = [" ".join(line.split()).rstrip(".") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("Is the server running")]
    listed = [line for line in lines if line.startswith("- ")] or lines
    return "; ".join(_PREFIX.sub("", line) for line in listed)
