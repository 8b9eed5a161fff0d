"""Hash a file's bytes with BLAKE3, which identifies its content.

FIFOs, devices and symlinks are refused, and a file that changes while it is read is an error. May run on several
threads at once: hashing releases the interpreter lock.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable

from imgret.decode.too_large import too_many_bytes
from imgret.disk_calls import DiskCall, NotResponding, is_stuck
from imgret.errors import PhotoError
from imgret.limits import shortage
from imgret.photo import FileStat, file_stat_of

_READ = 1 << 20  # bytes at a time
# Larger files are refused: probably a video, or a virtual machine's disk image with the extension of a photo.
MOST_BYTES = 4 << 30
# Larger files are read completely only if they begin like an image.
SMALL_BYTES = 64 << 20
_STARTS = (
    b"\xff\xd8\xff",  # JPEG, MPO
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"BM",
    b"RIFF",  # WebP
    b"\xff\x0a",  # JPEG XL; in a box: "JXL ", as HEIF, AVIF and CR3 have "ftyp"
    b"II*\0",  # TIFF and most raw formats
    b"MM\0*",
    b"II+\0",  # BigTIFF
    b"MM\0+",
    b"IIU\0",  # Panasonic raw
    b"IIRO",  # Olympus raw
    b"IIRS",
    b"MMOR",
    b"FUJIFILM",
    b"FOVb",  # Sigma raw
    b"\0MRM",  # Minolta raw
)
# Do not block on a FIFO without a writer, do not acquire a controlling terminal, do not pass on to the decoder.
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class PhotoGone(PhotoError):
    """The file no longer exists, or a folder above it was replaced by a symlink."""


def content_hash(path: bytes, expected: FileStat | None = None) -> bytes:
    """Return the 32-byte BLAKE3 of the file's bytes.

    Raises NotResponding when the disk does not respond. Raises PhotoError: transient if the file changed while it
    was read or its FileStat is not `expected`; permanent if it is not a regular file or cannot be a photo.
    """

    def job(call: DiskCall[bytes]) -> bytes:
        try:
            fd = os.open(path, OPEN_FLAGS)
        except OSError as error:
            raise unreadable(path, error) from None
        return _hash_and_close(fd, path, expected, call.touch)

    if is_stuck(path, path):
        raise NotResponding(path)
    return DiskCall(path, path, job).result()


def content_hash_in(
    folder: int, path: bytes, expected: FileStat | None, on_read: Callable[[], None]
) -> bytes:
    """Return the 32-byte BLAKE3 of a file in the folder with the descriptor `folder`, without following a symlink.

    `path` is the file's full path; only its last part is opened. `on_read` is called after each block that was read.
    Raises the same errors as `content_hash`.
    """
    try:
        fd = os.open(os.path.basename(path), OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        raise unreadable(path, error) from None
    return _hash_and_close(fd, path, expected, on_read)


def _hash_and_close(fd: int, path: bytes, expected: FileStat | None, on_read: Callable[[], None]) -> bytes:
    # Imported here: programs that only read FileStats do not need it.
    from blake3 import blake3

    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise not_a_file(path, status.st_mode)
        before = file_stat_of(status)
        hasher = blake3()
        # Read instead of mmap: truncating a mapped file raises SIGBUS in this process.
        buffer = bytearray(min(_READ, max(before.size, 1)))
        view = memoryview(buffer)
        checked = before.size <= SMALL_BYTES
        if before.size > MOST_BYTES:
            raise too_many_bytes(os.fsdecode(path), MOST_BYTES)
        while count := os.readv(fd, [view]):
            if not checked and not starts_like_an_image(view[:count]):
                raise PhotoError(
                    f"{os.fsdecode(path)} is not a photo: its first bytes match no image format",
                    "Exclude it.",
                )
            checked = True
            hasher.update(view[:count])
            on_read()
        after = file_stat_of(os.fstat(fd))
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(fd)
    if before != after or (expected is not None and after != expected):
        raise PhotoError(f"{os.fsdecode(path)} changed while it was read", transient=True)
    return hasher.digest()


def birth_time(path: bytes, folder: int = -100) -> int | None:
    """Return the creation time in ns since 1970; None where the system or the file system does not record it.

    A new file often gets the inode number of a deleted one, so only the creation time distinguishes a file that was
    overwritten from one that was deleted and created again. Calls statx(2), which Python offers from 3.15 on.
    `path` is relative to the descriptor `folder`; -100 (AT_FDCWD) is the working directory.
    """
    import ctypes

    symlink_nofollow, btime = 0x100, 0x800
    buffer = ctypes.create_string_buffer(256)  # struct statx
    try:
        failed = ctypes.CDLL(None).statx(folder, path, symlink_nofollow, btime, buffer)
    except AttributeError:  # no such function: not Linux, or a C library before 2018
        return None
    (mask,), (seconds, ns) = struct.unpack_from("=I", buffer), struct.unpack_from("=qI", buffer, 80)
    return None if failed or not mask & btime else int(seconds * 1_000_000_000 + ns)


def starts_like_an_image(head: bytes | memoryview) -> bool:
    """Return whether a file that starts with these bytes (16 or more) may have a supported format."""
    head = bytes(head[:16])
    return head.startswith(_STARTS) or head[4:8] in (b"ftyp", b"JXL ") or head[6:14] == b"HEAPCCDR"


def unreadable(path: bytes, error: OSError) -> PhotoError:
    """Return the error for a file that could not be opened or read. Raises Shortage if the machine lacks resources."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM) and (short := shortage(error)):
        raise short from None
    name = os.fsdecode(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PhotoGone(f"{name} is no longer there", transient=True)
    if isinstance(error, PermissionError):
        return PhotoError(
            f"{name} cannot be read: permission denied", "Give yourself the right to read it, then retry."
        )
    if error.errno == errno.ENXIO:  # from opening a socket
        return PhotoError(f"{name} is a socket or a device, not a photo")
    return PhotoError(f"{name} cannot be read: {error.strerror or error}", transient=True)


def not_a_file(path: bytes, mode: int) -> PhotoError:
    """Return the error for a path that is not a regular file; `mode` is its st_mode."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return PhotoError(
        f"{os.fsdecode(path)} is {kinds.get(stat.S_IFMT(mode), 'no regular file')}, not a photo"
    )
