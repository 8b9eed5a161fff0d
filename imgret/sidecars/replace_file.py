"""Read a sidecar, and replace it in one step: readers see the old file or the new one, and a crash leaves one of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable

from imgret.decode.xmp import MOST_BYTES
from imgret.errors import ImgretError

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO does not block
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = re.compile(rb"\.imgret-[0-9a-f]{16}\.tmp")  # hidden files are not indexed
MODE = 0o644  # of new sidecars, less the umask: other programs read them


class Refused(ImgretError):
    """A sidecar cannot be replaced; the message completes the sentence "FILE ..."."""


def read(folder: int, name: bytes) -> tuple[bytes, os.stat_result]:
    """Return the bytes of a file in an open folder, at most one more than a sidecar may have. Raises OSError and Refused."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        raise Refused("is a symbolic link, so it is left as it is")
    if not stat.S_ISREG(mode):  # opening a device can have effects
        raise Refused("is no regular file, so it is left as it is")
    with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Refused("was changed by another program meanwhile; run the command again")
        return file.read(MOST_BYTES + 1), status


def write(folder: int, name: bytes, data: bytes, before: os.stat_result | None, umask: int) -> None:
    """Write a file in an open folder, in place of the one whose status is `before`; None: there is none yet.

    Mode, owner, and as far as possible extended attributes are kept. Raises OSError, and Refused if the file has
    changed meanwhile, or belongs to somebody else.
    """
    temporary = b".imgret-" + secrets.token_hex(8).encode() + b".tmp"
    fd = os.open(temporary, _CREATE, 0o600, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            with contextlib.suppress(OSError):  # not all file systems have locks
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # see `remove_left`
            file.write(data)
            _take_over(folder, name, file.fileno(), before, umask)
            file.flush()
            os.fsync(file.fileno())
        check_unchanged(folder, name, before)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    with contextlib.suppress(OSError):  # the file is there; not all file systems can write a folder out
        os.fsync(folder)


def remove_left(folder: int, names: Iterable[bytes]) -> None:
    """Remove the temporary files among these that `write` left in an open folder when its process was killed."""
    for name in filter(_TEMPORARY.fullmatch, names):
        with contextlib.suppress(OSError):
            fd = os.open(name, _READ, dir_fd=folder)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises OSError while it is being written
                os.unlink(name, dir_fd=folder)
            finally:
                os.close(fd)


def make_folders(path: bytes, umask: int) -> None:
    """Make a folder and those above it, readable as the files in them. Raises OSError."""
    if not os.path.isdir(path):
        make_folders(os.path.dirname(path), umask)
        os.mkdir(path)
        os.chmod(path, 0o755 & ~umask)


def check_unchanged(folder: int, name: bytes, before: os.stat_result | None) -> None:
    """Raise Refused if the file is not the one whose status is `before` any more."""
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        now = None
    if _traits(now) != _traits(before):
        raise Refused("was changed by another program meanwhile; run the command again")


def _traits(status: os.stat_result | None) -> tuple[int, ...] | None:
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _take_over(folder: int, name: bytes, fd: int, before: os.stat_result | None, umask: int) -> None:
    if before is None:
        os.fchmod(fd, MODE & ~umask)
        return
    made = os.fstat(fd)
    if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(fd, before.st_uid, before.st_gid)
        except OSError:
            raise Refused("belongs to another user, so it is left as it is") from None
    os.fchmod(fd, stat.S_IMODE(before.st_mode))
    with contextlib.suppress(OSError):  # not all file systems have them
        source = os.open(name, _READ, dir_fd=folder)
        try:
            for attribute in os.listxattr(source):
                with contextlib.suppress(OSError):
                    os.setxattr(fd, attribute, os.getxattr(source, attribute))
        finally:
            os.close(source)
