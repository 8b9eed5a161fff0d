"""Which index lies at a path, and whether the `-wal` beside it belongs to it.

SQLite applies whatever `-wal` it finds beside a file. After a crash, a backup copied over the index would
get the changes of the index before it, and be damaged by them. So every index has an identity, a row of
`setting`; `connection.db.id` names the one that the `-wal` belongs to, and a file with another one is opened
without it. A backup gets an identity of its own, and so does the index whenever a process begins to
index: a copy made before that is recognised too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from imgret.errors import ImgretError, IndexBusy
from imgret.store.sqlite import file_ids
from imgret.store.sqlite.locks import preparing
from imgret.store.sqlite.opening import has_wal
from imgret.store.sqlite.sqlite_errors import BUSY_SECONDS, explained

if TYPE_CHECKING:
    from imgret.store.sqlite.connection import Connection

log = logging.getLogger(__name__)

KEY = "identity"
_NONE = "none"  # in the file of identities: an index without one


def new() -> str:
    """An identity that no other index has."""
    return os.urandom(16).hex()


def renew(connection: Connection) -> None:
    """Give an open index a new identity. Copies of the file that were made before are other indexes now."""
    with explained(connection.path), preparing(connection.path) as fd:
        fresh = new()
        # Until the file itself has the new one, a crash may leave it with any of those before.
        before = connection.setting(KEY) or _NONE
        write(fd, *dict.fromkeys((*known(fd), before, fresh)))
        connection.remember(KEY, fresh)
        if connection.checkpoint():
            write(fd, fresh)


def write(fd: int, *identities: str) -> None:
    """The `-wal` beside the index belongs to one of these. `fd` is what `preparing` gives."""
    data = "".join(f"{each}\n" for each in identities).encode()
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.fsync(fd)


def known(fd: int) -> list[str]:
    """The identities that `write` wrote last."""
    return _parsed(os.pread(fd, 1 << 16, 0))


def stored(path: str) -> str:
    """The identity of the file itself, as `write` wants it. It is not to be changed meanwhile."""
    return file_ids.setting(path, KEY) or _NONE


def set_foreign_wal_aside(path: str) -> bool:
    """Move a `-wal` that belongs to another index out of the way, before `path` is opened. -> was there one?

    Raises IndexBusy while another process goes on with a file that was overwritten.
    """
    if not has_wal(path) or file_ids.held(path) or not os.access(os.path.dirname(path) or ".", os.W_OK):
        return False
    if not _is_foreign(path, _accepted(path)):
        return False
    with preparing(path) as fd:
        if not has_wal(path) or not _is_foreign(path, known(fd)):
            return False  # another process was quicker
        deadline = time.monotonic() + BUSY_SECONDS
        while file_ids.used_by_others(path):
            if time.monotonic() > deadline:
                raise IndexBusy(
                    f"{path} was overwritten while another process uses it",
                    "End that process, then try again.",
                )
            time.sleep(0.05)
        os.replace(f"{path}-wal", f"{path}-wal.replaced")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}-shm")
        write(fd, stored(path))
    log.warning(
        "%s was replaced by another file: changes of the one before lie in %s-wal.replaced", path, path
    )
    return True


class Watch:
    """Notices that the file at a path is no longer the one that this process has open."""

    def __init__(self, path: str) -> None:
        """To be made once the index is open. Raises OSError."""
        self._path = path
        self._file = file_ids.file_id(path)
        self._seen = self._state()

    def change(self) -> str | None:
        """What happened to the file, in a sentence; None while it is the same, or its disk is away."""
        try:
            if file_ids.file_id(self._path) != self._file:
                return f"{self._path} was replaced by another file"
            state = self._state()
        except OSError:
            return f"{self._path} was removed" if self._disk_is_there() else None
        if state != self._seen:
            found = file_ids.setting(self._path, KEY)
            if found is None:
                return None  # it is just being written: look again
            if _differs(found, _accepted(self._path)):
                return f"{self._path} was overwritten with another index"
            self._seen = state
        return None

    def _state(self) -> tuple[int, int]:
        status = os.stat(self._path)
        return status.st_size, status.st_mtime_ns

    def _disk_is_there(self) -> bool:
        """Does the nearest folder above that exists lie on the disk that held the index?"""
        above = os.path.dirname(os.path.abspath(self._path))
        while not os.path.isdir(above) and above != "/":
            above = os.path.dirname(above)
        return os.stat(above).st_dev == self._file[0]


def adopt(connection: Connection) -> None:
    """After a foreign `-wal` was set aside: this file is the index from now on, as far as that can be written."""
    with contextlib.suppress(ImgretError):
        renew(connection)


def _is_foreign(path: str, accepted: list[str]) -> bool:
    if _differs(file_ids.setting(path, KEY), accepted):
        return True
    # A file that was moved here: others have the files beside it open, but not the file itself.
    return file_ids.shm_used_by_others(path) and not file_ids.used_by_others(path)


def _differs(found: str | None, accepted: list[str]) -> bool:
    """Is this identity none of the accepted ones? Not where either cannot be told."""
    return bool(accepted) and found is not None and (found or _NONE) not in accepted


def _accepted(path: str) -> list[str]:
    try:
        with open(f"{path}.id", "rb") as file:
            return _parsed(file.read())
    except OSError:
        return []


def _parsed(data: bytes) -> list[str]:
    return data.decode("ascii", "replace").split()
