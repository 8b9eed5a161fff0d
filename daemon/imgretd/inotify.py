"""A thin wrapper of inotify: one descriptor, large reads, paths as bytes, errors as OSError.

It has only what the watcher needs. See inotify(7) for the constants and the layout of an event.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

ATTRIB = 0x00000004
CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
UNMOUNT = 0x00002000
Q_OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLYDIR = 0x01000000
DONT_FOLLOW = 0x02000000
EXCL_UNLINK = 0x04000000
ISDIR = 0x40000000

# No MODIFY: writing one large file would cause thousands of events, and CLOSE_WRITE is enough.
# ATTRIB: a file or folder that could not be read may be readable now.
FOLDER_MASK = (
    ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF
    | ONLYDIR | DONT_FOLLOW | EXCL_UNLINK
)  # fmt: skip

# The kernel returns as many complete events as fit, so large reads take few system calls.
READ_SIZE = 1 << 20

_HEADER = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the padded name


class Event(NamedTuple):
    """One event: the watch it belongs to, what happened, and the name in the watched folder."""

    watch: int  # -1 for an overflow
    mask: int
    name: bytes  # empty if the event is about the folder itself


def parse(buffer: bytes) -> Iterator[Event]:
    """Yield the events in the result of one read. The kernel never splits an event over two reads."""
    position, end = 0, len(buffer)
    while position < end:
        watch, mask, _cookie, length = _HEADER.unpack_from(buffer, position)
        position += _HEADER.size
        name = buffer[position : position + length]
        position += length
        yield Event(watch, mask, name.rstrip(b"\0"))


class Inotify:
    """One inotify instance. Errors of the kernel are raised as OSError with its errno."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), b"inotify")

    def fileno(self) -> int:
        """Return the descriptor, for polling."""
        return self._fd

    def watch_folder(self, path: bytes) -> int:
        """Watch the folder at `path` and return the watch descriptor, which is the same for the same inode."""
        return self._checked(
            self._libc.inotify_add_watch(self._fd, ctypes.c_char_p(path), ctypes.c_uint32(FOLDER_MASK)), path
        )

    def forget(self, watch: int) -> None:
        """Remove a watch; it is no error if the kernel has removed it already."""
        self._libc.inotify_rm_watch(self._fd, watch)

    def read(self) -> list[Event]:
        """Return the events since the last read, without blocking."""
        try:
            return list(parse(os.read(self._fd, READ_SIZE)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Close the descriptor, which removes all watches."""
        os.close(self._fd)

    def _checked(self, result: int, path: bytes) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return result
