"""The name of a content: the BLAKE3 of a file's bytes, read without being fooled or blocked.

Runs in the caller's process, on as many threads as it likes: hashing releases the interpreter lock.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable

from imgret.disk_calls import DiskCall, NotAnswering, is_stuck
from imgret.errors import PhotoError
from imgret.limits import shortage
from imgret.photo import FileStat, file_stat_of

_READ = 1 << 20  # bytes at a time
# A larger file is not taken for a photo: a video, or the disk of a virtual machine, named like one.
MOST_BYTES = 4 << 30
# A larger file must start like a picture before all of it is read.
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
# Not blocked by a FIFO without a writer, never a terminal's child, not inherited by the decoder.
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class PhotoGone(PhotoError):
    """The file is no longer there, or a folder above it is a symlink by now."""


def content_hash(path: bytes, expected: FileStat | None = None) -> bytes:
    """The 32-byte BLAKE3 of the file's bytes. Raises NotAnswering where its disk does not answer.

    Raises PhotoError: transient if the file changed while it was read, or is not the one whose
    file_stat was `expected`; not transient if it is no regular file, or cannot be a photo.
    """

    def job(call: DiskCall[bytes]) -> bytes:
        try:
            fd = os.open(path, OPEN_FLAGS)
        except OSError as error:
            raise unreadable(path, error) from None
        return _hash_and_close(fd, path, expected, call.touch)

    if is_stuck(path, path):
        raise NotAnswering(path)
    return DiskCall(path, path, job).result()


def content_hash_in(
    folder: int, path: bytes, expected: FileStat | None, on_read: Callable[[], None]
) -> bytes:
    """The same for a file in the folder whose descriptor is given; a symlink is not followed.

    `path` is the file's whole path, for messages. `on_read` is called after each part that was read.
    """
    try:
        fd = os.open(os.path.basename(path), OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        raise unreadable(path, error) from None
    return _hash_and_close(fd, path, expected, on_read)


def _hash_and_close(fd: int, path: bytes, expected: FileStat | None, on_read: Callable[[], None]) -> bytes:
    # Imported here: a program that only asks for fingerprints needs no hash.
    from blake3 import blake3

    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise not_a_file(path, status.st_mode)
        before = file_stat_of(status)
        hasher = blake3()
        # Reads, not a mapping: a file cut short under a mapping is a SIGBUS in this very process.
        buffer = bytearray(min(_READ, max(before.size, 1)))
        view = memoryview(buffer)
        checked = before.size <= SMALL_BYTES
        if before.size > MOST_BYTES:
            raise PhotoError(
                f"{os.fsdecode(path)} is larger than {MOST_BYTES >> 30} GiB: not taken for a photo"
            )
        while count := os.readv(fd, [view]):
            if not checked and not starts_like_a_picture(view[:count]):
                raise PhotoError(f"{os.fsdecode(path)} is not a photo: it does not start like a picture")
            checked = True
            hasher.update(view[:count])
            on_read()
        after = file_stat_of(os.fstat(fd))
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(fd)
    if before != after or (expected is not None and after != expected):
        raise PhotoError(
            f"{os.fsdecode(path)} changed while it was read", "It is tried again.", transient=True
        )
    return hasher.digest()


def birth_time(path: bytes, folder: int = -100) -> int | None:
    """When the file was created, in ns since 1970; None where the system or the file system does not know.

    Inode numbers are used again at once, so only this tells a file that was written to from one that was
    deleted and made anew. It is statx(2), which Python does not offer before 3.15. `path` is relative to the
    descriptor `folder`; -100 (AT_FDCWD) stands for the working directory.
    """
    import ctypes

    symlink_nofollow, btime = 0x100, 0x800
    answer = ctypes.create_string_buffer(256)  # struct statx
    try:
        failed = ctypes.CDLL(None).statx(folder, path, symlink_nofollow, btime, answer)
    except AttributeError:  # no such function: not Linux, or a C library before 2018
        return None
    (mask,), (seconds, ns) = struct.unpack_from("=I", answer), struct.unpack_from("=qI", answer, 80)
    return None if failed or not mask & btime else int(seconds * 1_000_000_000 + ns)


def starts_like_a_picture(head: bytes | memoryview) -> bool:
    """Whether a file that starts with these bytes (16 or more) may be in one of the formats that we read."""
    head = bytes(head[:16])
    return head.startswith(_STARTS) or head[4:8] in (b"ftyp", b"JXL ") or head[6:14] == b"HEAPCCDR"


def unreadable(path: bytes, error: OSError) -> PhotoError:
    """Why a file could not be opened or read, in a sentence. Raises Shortage: that is no fault of the file."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM) and (short := shortage(error)):
        raise short from None
    name = os.fsdecode(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PhotoGone(f"{name} is no longer there", transient=True)
    if isinstance(error, PermissionError):
        return PhotoError(f"{name} may not be read", "Give yourself the right to read it, then retry.")
    if error.errno == errno.ENXIO:  # what opening a socket says
        return PhotoError(f"{name} is a socket or a device, not a photo")
    return PhotoError(f"{name} cannot be read: {error.strerror or error}", transient=True)


def not_a_file(path: bytes, mode: int) -> PhotoError:
    """What lies there instead of a regular file."""
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
