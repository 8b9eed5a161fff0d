"""Look at an index file as it lies on the disk, without its `-wal`, and at who has it open.

Closing any descriptor of a file drops all POSIX locks that this process holds on it, SQLite's own included.
So a file that a connection of this process has open is read through one descriptor, which is
closed after the last of these connections.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

FileId = tuple[int, int]  # (device, inode)

# Where SQLite locks: https://sqlite.org/src/file/src/os.h and os_unix.c
_SHARED_LOCKS = (0x40000002, 510)  # every connection holds a lock among these bytes of the index
_SHM_LOCK = (128, 1)  # ... and on this byte of `-shm`


class _Open:
    """A file that connections of this process have open."""

    def __init__(self) -> None:
        self.connections = 0
        self.fd: int | None = None


_files: dict[FileId, _Open] = {}
_lock = threading.Lock()


def file_id(path: str) -> FileId:
    """Which file lies at `path`. Raises OSError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def hold(path: str) -> FileId:
    """To be called before a connection to `path` is opened. -> what `release` wants."""
    found = file_id(path)
    with _lock:
        _files.setdefault(found, _Open()).connections += 1
    return found


def release(held: FileId) -> None:
    """To be called after the connection was closed."""
    with _lock:
        file = _files[held]
        file.connections -= 1
        if not file.connections:
            del _files[held]
            if file.fd is not None:
                os.close(file.fd)


def held(path: str) -> bool:
    """Has this process a connection to the file at `path`?"""
    found = file_id(path)
    with _lock:
        return found in _files


def setting(path: str, key: str) -> str | None:
    """A row of `setting` as it stands in the file alone; empty when there is none.

    None when it cannot be told: a file that is no index, or is being changed right now.
    """
    with _descriptor(path) as fd:
        try:
            db = apsw.Connection(
                f"file:/{fd}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, vfs=_vfs()
            )
            with db:
                row = db.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
            db.close()
        except (apsw.Error, UnicodeDecodeError):
            return None
    return str(row[0]) if row else ""


def used_by_others(path: str) -> bool:
    """Has another process a connection to the file at `path`?"""
    with _descriptor(path) as fd:
        return _locked(fd, *_SHARED_LOCKS)


def shm_used_by_others(path: str) -> bool:
    """Has another process the `-shm` beside `path` open? Not to be asked by a process that has it open itself."""
    try:
        fd = os.open(f"{path}-shm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _locked(fd, *_SHM_LOCK)
    finally:
        os.close(fd)


@contextmanager
def _descriptor(path: str) -> Iterator[int]:
    found = file_id(path)
    with _lock:
        file = _files.get(found)
        if file is not None:
            if file.fd is None:
                file.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            yield file.fd
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)


def _locked(fd: int, start: int, length: int) -> bool:
    if sys.platform != "linux":  # the layout of `struct flock` is Linux's
        return False
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    answer = fcntl.fcntl(fd, fcntl.F_GETLK, asked)
    return bool(struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK)


class _File:
    """What SQLite asks of a file that is only read (https://www.sqlite.org/c3ref/io_methods.html)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return os.pread(self._fd, amount, offset)

    def xFileSize(self) -> int:  # noqa: N802
        return os.fstat(self._fd).st_size

    def xClose(self) -> None:  # noqa: N802
        """The descriptor is the caller's."""

    def xLock(self, level: int) -> None:  # noqa: N802
        """Nothing is locked."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Nothing is locked."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, _op: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0


class _VFS(apsw.VFS):
    """Opens `/N`, the descriptor N of this process; no other file is there."""

    def __init__(self) -> None:
        super().__init__("imgret-descriptor", "")

    def xOpen(self, name: str | apsw.URIFilename | None, _flags: list[int]) -> _File:  # type: ignore[override]  # noqa: N802
        named = name.filename() if isinstance(name, apsw.URIFilename) else name
        return _File(int(os.path.basename(named or "")))

    def xAccess(self, _path: str, _flags: int) -> bool:  # noqa: N802
        return False

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


_registered: list[_VFS] = []


def _vfs() -> str:
    if not _registered:
        _registered.append(_VFS())
    return "imgret-descriptor"
