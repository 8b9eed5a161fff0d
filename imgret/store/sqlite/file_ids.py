"""Read an index file without its `-wal`, and find out whether other processes have it open.

Closing any descriptor of a file releases all POSIX locks of this process on it, including those of SQLite. Therefore
a file that a connection of this process has open is read through one shared descriptor, which is closed after the
last of these connections.
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

# The bytes that SQLite locks, as (start, length): https://sqlite.org/src/file/src/os.h and os_unix.c
_SHARED_LOCKS = (0x40000002, 510)  # every connection locks one of these bytes of the index
_SHM_LOCK = (128, 1)  # ... and this byte of `-shm`


class _Open:
    """A file that connections of this process have open."""

    def __init__(self) -> None:
        self.connections = 0
        self.fd: int | None = None


_files: dict[FileId, _Open] = {}
_lock = threading.Lock()

# Held while the files of an index are created or read, until the connection is registered. A thread that opened and
# closed one of them meanwhile would drop the locks of another thread's connection, because POSIX locks belong to
# the process; the next process to close the index would then truncate the `-shm` that is mapped here (SIGBUS).
opening = threading.Lock()


def file_id(path: str) -> FileId:
    """Return the device and inode of the file at `path`. Raises OSError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def register(path: str) -> FileId:
    """Count a connection of this process to `path`; call this before opening it. Returns the id for `unregister`."""
    found = file_id(path)
    with _lock:
        _files.setdefault(found, _Open()).connections += 1
    return found


def unregister(registered: FileId) -> None:
    """Stop counting a connection; call this after closing it."""
    with _lock:
        file = _files[registered]
        file.connections -= 1
        if not file.connections:
            del _files[registered]
            if file.fd is not None:
                os.close(file.fd)


def is_registered(path: str) -> bool:
    """Return whether this process has a connection to the file at `path`."""
    found = file_id(path)
    with _lock:
        return found in _files


def setting(path: str, key: str) -> str | None:
    """Return a value of the table `setting` as stored in the file without its `-wal`; "" if it is not set.

    None if it cannot be read: the file is not an index, or is being changed at the moment.
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
    """Return whether another process has a connection to the file at `path`."""
    with _descriptor(path) as fd:
        return _locked(fd, *_SHARED_LOCKS)


def shm_used_by_others(path: str) -> bool:
    """Return whether another process has the `-shm` beside `path` open. This process must not have it open."""
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
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    reply = fcntl.fcntl(fd, fcntl.F_GETLK, request)
    return bool(struct.unpack_from("h", reply)[0] != fcntl.F_UNLCK)


class _File:
    """The methods of a read-only file for SQLite (https://www.sqlite.org/c3ref/io_methods.html)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return os.pread(self._fd, amount, offset)

    def xFileSize(self) -> int:  # noqa: N802
        return os.fstat(self._fd).st_size

    def xClose(self) -> None:  # noqa: N802
        """Do nothing: the caller closes the descriptor."""

    def xLock(self, level: int) -> None:  # noqa: N802
        """Do nothing: the file is not locked."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Do nothing: the file is not locked."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, _op: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0


class _VFS(apsw.VFS):
    """A VFS in which the only files are `/N`, for the descriptors N of this process."""

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
