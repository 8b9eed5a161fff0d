"""The name of a content: the BLAKE3 of a file's bytes, read without being fooled or blocked.

Runs in the caller's process, on as many threads as it likes: hashing releases the interpreter lock.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

from imgret.errors import PhotoError
from imgret.photo import Fingerprint

_READ = 1 << 20  # bytes at a time
# Not blocked by a FIFO without a writer, never a terminal's child, not inherited by the decoder.
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def fingerprint(status: os.stat_result) -> Fingerprint:
    """What `stat` says, as far as we remember it."""
    return Fingerprint(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def content_hash(path: bytes, expected: Fingerprint | None = None) -> bytes:
    """The 32-byte BLAKE3 of the file's bytes.

    Raises PhotoError: transient if the file changed while it was read, or is not the one whose
    fingerprint was `expected`; not transient if it is no regular file.
    """
    # Imported here: a program that only asks for fingerprints needs no hash.
    from blake3 import blake3

    try:
        fd = os.open(path, OPEN_FLAGS)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise not_a_file(path, status.st_mode)
        before = fingerprint(status)
        hasher = blake3()
        # Reads, not a mapping: a file cut short under a mapping is a SIGBUS in this very process.
        buffer = bytearray(min(_READ, max(before.size, 1)))
        view = memoryview(buffer)
        while count := os.readv(fd, [view]):
            hasher.update(view[:count])
        after = fingerprint(os.fstat(fd))
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(fd)
    if before != after or (expected is not None and after != expected):
        raise PhotoError(
            f"{os.fsdecode(path)} changed while it was read", "It is tried again.", transient=True
        )
    return hasher.digest()


def birth_time(path: bytes) -> int | None:
    """When the file was created, in ns since 1970; None where the system or the file system does not know.

    Inode numbers are used again at once, so only this tells a file that was written to from one that was
    deleted and made anew. It is statx(2), which Python does not offer before 3.15.
    """
    import ctypes

    at_fdcwd, symlink_nofollow, btime = -100, 0x100, 0x800
    answer = ctypes.create_string_buffer(256)  # struct statx
    try:
        failed = ctypes.CDLL(None).statx(at_fdcwd, path, symlink_nofollow, btime, answer)
    except AttributeError:  # no such function: not Linux, or a C library before 2018
        return None
    (mask,), (seconds, ns) = struct.unpack_from("=I", answer), struct.unpack_from("=qI", answer, 80)
    return None if failed or not mask & btime else int(seconds * 1_000_000_000 + ns)


def unreadable(path: bytes, error: OSError) -> PhotoError:
    """Why a file could not be opened or read, in a sentence."""
    name = os.fsdecode(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PhotoError(f"{name} is no longer there", transient=True)
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
