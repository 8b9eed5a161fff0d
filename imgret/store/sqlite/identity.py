"""Identify the index at a path, and detect a `-wal` file that belongs to another index.

SQLite applies any `-wal` that it finds beside a file. If a backup is copied over an index after a crash, the `-wal` of
the previous index would damage it. Therefore every index has an identity, a row of the table `setting`. The file
`index.db.id` contains the identity of the index to which the `-wal` belongs; an index with another identity is opened
without it. A backup gets a new identity, and so does the index whenever a process starts indexing, so that earlier
copies made by other programs are detected too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Protocol

from imgret.errors import ImgretError, IndexBusy
from imgret.store.sqlite import file_ids
from imgret.store.sqlite.locks import preparation_lock
from imgret.store.sqlite.opening import has_wal
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, translated_errors

log = logging.getLogger(__name__)

KEY = "identity"
_CREATION_SECONDS = 3.0  # from an empty file to the first table
_NONE = "none"  # in the `.id` file: an index without an identity


class OpenIndex(Protocol):
    """A connection to the index, as far as this module needs it."""

    path: str

    def setting(self, key: str) -> str | None:
        """Return the value of a setting; None if it is not set."""
        ...

    def remember(self, key: str, value: str | None) -> None:
        """Change a setting."""
        ...

    def checkpoint(self) -> bool:
        """Copy the `-wal` into the file. Returns whether all of it was copied."""
        ...


def new() -> str:
    """Return a new, unique identity."""
    return os.urandom(16).hex()


def renew(connection: OpenIndex) -> None:
    """Give an open index a new identity, so that existing copies of the file count as other indexes."""
    with translated_errors(connection.path), preparation_lock(connection.path) as fd:
        fresh = new()
        # Until the new identity is in the file itself, a crash may leave it with any of the previous ones.
        before = connection.setting(KEY) or _NONE
        write(fd, *dict.fromkeys((*read(fd), before, fresh)))
        connection.remember(KEY, fresh)
        if connection.checkpoint():
            write(fd, fresh)


def write(fd: int, *identities: str) -> None:
    """Record that the `-wal` belongs to an index with one of these identities. `fd` is yielded by `preparation_lock`."""
    data = "".join(f"{each}\n" for each in identities).encode()
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.fsync(fd)


def read(fd: int) -> list[str]:
    """Return the identities recorded by the last `write`."""
    return _parsed(os.pread(fd, 1 << 16, 0))


def stored(path: str) -> str:
    """Return the identity in the file itself, for `write`. The file must not be changed meanwhile."""
    return file_ids.setting(path, KEY) or _NONE


def set_foreign_wal_aside(path: str) -> bool:
    """Rename a `-wal` that belongs to another index, before `path` is opened. Returns whether there was one.

    Raises IndexBusy while another process uses a file that was overwritten.
    """
    if (
        not has_wal(path)
        or file_ids.is_registered(path)
        or not os.access(os.path.dirname(path) or ".", os.W_OK)
    ):
        return False
    if not _is_foreign(path, _accepted(path)):
        return False
    with preparation_lock(path) as fd:
        if not has_wal(path) or not _is_foreign(path, read(fd)):
            return False  # another process has renamed it meanwhile
        deadline = time.monotonic() + BUSY_SECONDS
        while file_ids.used_by_others(path):
            if time.monotonic() > deadline:
                raise IndexBusy(
                    f"{path} was overwritten while another process was using it",
                    "End that process, then try again.",
                )
            time.sleep(0.05)
        os.replace(f"{path}-wal", f"{path}-wal.replaced")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}-shm")
        write(fd, stored(path))
    log.warning(
        "%s was replaced by another file; the last changes of the old file are in %s-wal.replaced", path, path
    )
    return True


def was_emptied(path: str) -> bool:
    """Return whether the file at `path` has no byte although it was an index: it would be opened as a new one.

    Waits a moment before that is said, because another process may be creating the index anew.
    """
    deadline = time.monotonic() + _CREATION_SECONDS
    while _is_empty(path) and _accepted(path):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


class Watch:
    """Detects that the file at a path is no longer the one that this process has open."""

    def __init__(self, path: str) -> None:
        """Create this after the index was opened. Raises OSError."""
        self._path = path
        self._file = file_ids.file_id(path)
        self._seen = self._state()

    def change(self) -> str | None:
        """Return what happened to the file as a message; None if it is the same, or its disk is unavailable."""
        try:
            if file_ids.file_id(self._path) != self._file:
                return f"{self._path} was replaced by another file"
            state = self._state()
        except OSError:
            return f"{self._path} was removed" if self._disk_is_there() else None
        if state != self._seen:
            found = file_ids.setting(self._path, KEY)
            if found is None:
                return None  # it is being written at the moment: check again later
            if _differs(found, _accepted(self._path)):
                return f"{self._path} was overwritten with another index"
            self._seen = state
        return None

    def _state(self) -> tuple[int, int]:
        status = os.stat(self._path)
        return status.st_size, status.st_mtime_ns

    def _disk_is_there(self) -> bool:
        """Return whether the nearest existing parent folder is on the disk of the index."""
        above = os.path.dirname(os.path.abspath(self._path))
        while not os.path.isdir(above) and above != "/":
            above = os.path.dirname(above)
        return os.stat(above).st_dev == self._file[0]


def adopt(connection: OpenIndex) -> None:
    """After a foreign `-wal` was renamed, record that this file is the index now, if that can be written."""
    with contextlib.suppress(ImgretError):
        renew(connection)


def _is_foreign(path: str, accepted: list[str]) -> bool:
    if _differs(file_ids.setting(path, KEY), accepted):
        return True
    # If the file was moved here, other processes have the `-shm` open, but not the file itself.
    return file_ids.shm_used_by_others(path) and not file_ids.used_by_others(path)


def _differs(found: str | None, accepted: list[str]) -> bool:
    """Return whether the identity is not among the accepted ones; False if either is unknown."""
    return bool(accepted) and found is not None and (found or _NONE) not in accepted


def _is_empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except OSError:
        return False


def _accepted(path: str) -> list[str]:
    try:
        with open(f"{path}.id", "rb") as file:
            return _parsed(file.read())
    except OSError:
        return []


def _parsed(data: bytes) -> list[str]:
    return data.decode("ascii", "replace").split()
