"""Translate errors of SQLite and of the system about an index file into errors of imgret."""

from __future__ import annotations

import errno
import os
from types import TracebackType

import apsw

from imgret.errors import DiskFull, ImgretError, IndexBusy, IndexProblem, ReadOnly

BUSY_SECONDS = 30.0  # transactions are short; only a suspended process holds the lock for longer

_DAMAGED_HINT = "Replace it with a backup by `imgret restore BACKUP`, or move it away and index again."
# Messages of SQLError that also mean a damaged file.
_DAMAGED_WORDS = (
    "no such table",
    "no such column",
    "malformed",
    "vtable constructor failed",
    "fts5: corrupt",
)


class translated_errors:  # noqa: N801 - it is used as a function
    """Translate SQLite's and the system's errors about the file at `path`.

    A class instead of a generator, which takes four times as long: one query enters it about 300 times.
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


class translated_read_errors(translated_errors):  # noqa: N801 - it is used as a function
    """Like `translated_errors`, for queries: a text that is not UTF-8 also means a damaged file."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, UnicodeDecodeError):
            raise damaged(self._path, f"it contains a text that is not UTF-8: {error.reason}") from error
        super().__exit__(kind, error, trace)


def problem(error: apsw.Error, path: str) -> ImgretError:
    """Return the imgret error for an error of SQLite about the index at `path`."""
    match error:
        case apsw.FullError():
            return _full(path)
        case apsw.ReadOnlyError():
            return ReadOnly(f"{path} cannot be written")
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return IndexBusy(f"{path} was locked by another process for {BUSY_SECONDS:.0f} s")
        case apsw.NotADBError() | apsw.CorruptError() | apsw.FormatError():
            return damaged(path, str(error))
        case apsw.NoMemError():
            return IndexProblem(
                f"there is not enough memory to read {path}", "End other programs and try again."
            )
        case apsw.CantOpenError() | apsw.IOError() | apsw.PermissionsError():
            if disk_is_full(path):
                return _full(path)
            return IndexProblem(f"{path} cannot be used: {error}", "Check the disk and its permissions.")
        case apsw.SQLError() if any(word in str(error) for word in _DAMAGED_WORDS):
            return damaged(path, str(error))
    return IndexProblem(f"{path} cannot be used: {error}", "Run `imgret doctor` to check it.")


def disk_is_full(path: str) -> bool:
    """Return whether the disk of `path` has less than 1 MiB or no inode free."""
    try:
        disk = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 1 << 20 or (disk.f_files > 0 and disk.f_favail == 0)


def _full(path: str) -> DiskFull:
    return DiskFull(f"the disk of {path} is full")


def damaged(path: str, why: str) -> IndexProblem:
    """Return the error for an index that cannot be read; `why` is in brackets."""
    return IndexProblem(f"{path} is damaged or not an SQLite file ({why})", _DAMAGED_HINT)
