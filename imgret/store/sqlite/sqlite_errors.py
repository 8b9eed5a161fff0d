"""The one place where an error of SQLite or of the system about an index file becomes one of ours."""

from __future__ import annotations

import errno
import os
from types import TracebackType

import apsw

from imgret.errors import DiskFull, ImgretError, IndexBusy, IndexProblem, ReadOnly

BUSY_SECONDS = 30.0  # our transactions are short; only a stopped process holds the lock for longer

_DAMAGED_HINT = (
    "Keep it, put a backup in its place with `imgret restore BACKUP`, or move it away and index again."
)
# A schema that lacks what it should have, and tables that cannot be opened, are damage as well.
_DAMAGED_WORDS = (
    "no such table",
    "no such column",
    "malformed",
    "vtable constructor failed",
    "fts5: corrupt",
)


class explained:  # noqa: N801 - it is used as a function
    """Turn SQLite's and the system's errors about the file at `path` into ours.

    A class, because a question enters this some 300 times, and a generator takes four times as long.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        path = self._path
        match error:
            case apsw.Error():
                raise problem(error, path) from error
            case OSError(errno=errno.ENOSPC | errno.EDQUOT):
                raise _full(path) from None
            case OSError(errno=errno.EROFS | errno.EACCES | errno.EPERM):
                raise ReadOnly(f"{error.filename or path} cannot be written: {error.strerror}") from None


class reading(explained):  # noqa: N801 - it is used as a function
    """`explained` for a query: a text that is not UTF-8 is damage, too."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, UnicodeDecodeError):
            raise _damaged(self._path, f"a text in it is not UTF-8: {error.reason}") from error
        super().__exit__(kind, error, trace)


def problem(error: apsw.Error, path: str) -> ImgretError:
    """What an error of SQLite means for whoever uses the index at `path`."""
    match error:
        case apsw.FullError():
            return _full(path)
        case apsw.ReadOnlyError():
            return ReadOnly(f"{path} cannot be written")
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return IndexBusy(f"{path} was locked by another process for {BUSY_SECONDS:.0f} s")
        case apsw.NotADBError() | apsw.CorruptError() | apsw.FormatError():
            return _damaged(path, str(error))
        case apsw.NoMemError():
            return IndexProblem(
                f"there is not enough memory to read {path}", "End other programs, or ask for less."
            )
        case apsw.CantOpenError() | apsw.IOError() | apsw.PermissionsError():
            if disk_is_full(path):
                return _full(path)
            return IndexProblem(f"{path} cannot be used: {error}", "Check the disk and its permissions.")
        case apsw.SQLError() if any(word in str(error) for word in _DAMAGED_WORDS):
            return _damaged(path, str(error))
    return IndexProblem(f"{path} cannot be used: {error}", "`imgret doctor` says what is wrong with it.")


def disk_is_full(path: str) -> bool:
    """Has the disk that holds `path` less than 1 MiB or no file left to give?"""
    try:
        room = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < 1 << 20 or (room.f_files > 0 and room.f_favail == 0)


def _full(path: str) -> DiskFull:
    return DiskFull(f"the disk that holds {path} is full")


def _damaged(path: str, why: str) -> IndexProblem:
    return IndexProblem(f"{path} is damaged or not an SQLite file ({why})", _DAMAGED_HINT)
