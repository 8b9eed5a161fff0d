"""A file of arrays that were computed from an index: written as a whole, checked when it is read.

The layout is a preamble (MAGIC, then place, length and BLAKE3 hash of the header), the arrays, and the header in JSON. Each
array is hashed in parts. The file appears under its name when it is complete and on the disk, with mode 0600. It is
read and not mapped: a mapping would end the process with SIGBUS if the file were cut short.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Self, TypeVar

import blake3
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

MAGIC = b"imgret codes 1\n\0"
PART = 8 << 20  # bytes of an array that are hashed together
SYNCED = 8  # parts that are written to the disk together
SUFFIX = ".part"  # of an incomplete file
_PREAMBLE = struct.Struct("<16sQQ32s")
_LARGEST_HEADER = 64 << 20
_KINDS = frozenset({"<f4", "<i8", "|i1", "|u1"})

Ids = NDArray[np.int64]
About = TypeVar("About", bound=Struct)


class Unfit(Exception):
    """The file is not what it should be: damaged, cut short, or of another version."""


class Stopped(Exception):
    """Writing was stopped by the caller."""


class Column(NamedTuple):
    """An array to write."""

    name: str
    kind: str  # numpy's name of its type, one of _KINDS
    shape: tuple[int, ...]
    rows: Callable[[slice], NDArray[Any]]  # the rows in a range


class _Entry(Struct, frozen=True):
    """Where an array is."""

    name: str
    kind: str
    shape: tuple[int, ...]
    place: int
    step: int  # rows that are hashed together
    hashes: list[bytes]


class _Header(Struct, frozen=True):
    about: msgspec.Raw
    arrays: list[_Entry]


_HEADER = msgspec.json.Decoder(_Header)  # made before threads begin, see `imgret.decode.decoder_handle`


def write(path: str, about: Struct, columns: Sequence[Column], stopped: Callable[[], bool]) -> str:
    """Write the complete file under a temporary name, and return that. `os.replace` it to `path` to publish it.

    One process may write at a time. Raises OSError, and Stopped when `stopped` returns True meanwhile.
    """
    part = path + SUFFIX
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part)  # left by a process that was killed
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(bytes(_PREAMBLE.size))
            entries = [_written(file, column, stopped) for column in columns]
            place = file.tell()
            header = msgspec.json.encode(_Header(msgspec.Raw(msgspec.json.encode(about)), entries))
            file.write(header)
            file.seek(0)
            file.write(_PREAMBLE.pack(MAGIC, place, len(header), _hash(header)))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    return part


def _written(file: Any, column: Column, stopped: Callable[[], bool]) -> _Entry:
    place, hashes, step = file.tell(), [], _step(column.kind, column.shape)
    for start in range(0, column.shape[0], step):
        if stopped():
            raise Stopped
        rows = np.ascontiguousarray(
            column.rows(slice(start, min(start + step, column.shape[0]))), column.kind
        )
        hashes.append(_hash(_flat(rows)))
        file.write(_flat(rows))
        # Rather than all at the end, which may take longer than a watchdog waits.
        if len(hashes) % SYNCED == 0:
            file.flush()
            os.fdatasync(file.fileno())
    return _Entry(column.name, column.kind, column.shape, place, step, hashes)


class CodesFile:
    """A file that is open for reading. Close it; other processes may replace it meanwhile."""

    def __init__(self, path: str) -> None:
        """Read the header. Raises FileNotFoundError, OSError and Unfit."""
        self._fd = -1
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self._about, self._entries = self._header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def about(self, kind: type[About]) -> About:
        """Return what the writer said about the file. Raises Unfit."""
        try:
            return msgspec.json.decode(self._about, type=kind)
        except msgspec.MsgspecError as error:
            raise Unfit(f"its header does not fit: {error}") from None

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array. Raises Unfit if there is none."""
        return self._entry(name).shape

    def whole(self, name: str, space: int = 0) -> NDArray[Any]:
        """Return an array, checked; with space for `space` rows, if these are more. Raises Unfit and OSError."""
        entry = self._entry(name)
        array = np.empty((max(entry.shape[0], space), *entry.shape[1:]), entry.kind)
        for number, (part, place) in enumerate(self._parts(entry, entry.step)):
            self._fill(array[part], place)
            if _hash(_flat(array[part])) != entry.hashes[number]:
                raise Unfit(f"{name} is damaged")
        return array

    def check(self, name: str) -> None:
        """Read an array only to check it. Raises Unfit and OSError."""
        entry = self._entry(name)
        buffer = np.empty((entry.step, *entry.shape[1:]), entry.kind)
        for number, (_, rows) in enumerate(self.parts(name, buffer)):
            if _hash(_flat(rows)) != entry.hashes[number]:
                raise Unfit(f"{name} is damaged")

    def parts(self, name: str, buffer: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield the rows of an array in parts, not checked. `buffer` has the rows of one part, and is overwritten."""
        for part, place in self._parts(self._entry(name), len(buffer)):
            rows = buffer[: part.stop - part.start]
            self._fill(rows, place)
            yield part, rows

    def rows(self, name: str, positions: Ids) -> NDArray[Any]:
        """Return some rows of a matrix, not checked: (positions, columns)."""
        entry = self._entry(name)
        size = _row_bytes(entry.kind, entry.shape)
        places = (positions * size + entry.place).tolist()
        data = b"".join(map(os.pread, repeat(self._fd), repeat(size), places))
        if len(data) != size * len(positions):
            raise Unfit("it was cut short")
        return np.frombuffer(data, entry.kind).reshape(len(positions), *entry.shape[1:])

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise Unfit(f"it has no {name}")
        return self._entries[name]

    def _parts(self, entry: _Entry, step: int) -> Iterator[tuple[slice, int]]:
        size, rows = _row_bytes(entry.kind, entry.shape), entry.shape[0]
        for start in range(0, rows, step):
            yield slice(start, min(start + step, rows)), entry.place + start * size

    def _fill(self, rows: NDArray[Any], place: int) -> None:
        view, done = _flat(rows).data, 0
        while done < len(view):
            count = os.preadv(self._fd, [view[done:]], place + done)
            if not count:
                raise Unfit("it was cut short")
            done += count

    def _header(self) -> tuple[bytes, dict[str, _Entry]]:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("it is no file")
        start = os.pread(self._fd, _PREAMBLE.size, 0)
        if len(start) < _PREAMBLE.size or not start.startswith(MAGIC):
            raise Unfit("it is of another version, or no file of codes")
        _, place, length, expected = _PREAMBLE.unpack(start)
        if length > _LARGEST_HEADER or place + length != status.st_size:
            raise Unfit("it was cut short, or is damaged")
        data = os.pread(self._fd, length, place)
        if _hash(data) != expected:
            raise Unfit("its header is damaged")
        try:
            header = _HEADER.decode(data)
        except msgspec.MsgspecError as error:
            raise Unfit(f"its header does not fit: {error}") from None
        for entry in header.arrays:
            if entry.kind not in _KINDS or not entry.shape or entry.step < 1:
                raise Unfit(f"{entry.name} is not an array")
            if entry.place + _row_bytes(entry.kind, entry.shape) * entry.shape[0] > place:
                raise Unfit(f"{entry.name} is cut short")
            if len(entry.hashes) != -(-entry.shape[0] // entry.step):
                raise Unfit(f"{entry.name} is not hashed")
        return bytes(header.about), {entry.name: entry for entry in header.arrays}


def _row_bytes(kind: str, shape: tuple[int, ...]) -> int:
    return int(np.dtype(kind).itemsize * np.prod(shape[1:], dtype=np.int64))


def _step(kind: str, shape: tuple[int, ...]) -> int:
    return max(1, PART // max(1, _row_bytes(kind, shape)))


def _flat(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of an array, not copied."""
    return array.reshape(-1).view(np.uint8)


def _hash(data: Any) -> bytes:
    return blake3.blake3(data).digest()
