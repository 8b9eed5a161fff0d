"""Create, lock and remove the socket file: one daemon listens there, and no file of another program is deleted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import socket
import stat
from collections.abc import Iterator

from imgret.errors import DaemonError

MOST_CLIENTS = 256  # with as many more in the kernel's queue, below the usual limit of 1024 descriptors


def most_clients() -> int:
    """Return the limit of open connections: a quarter of the descriptors that this process may have."""
    return min(MOST_CLIENTS, max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Hold the lock of the only daemon at this socket path, which the kernel releases when the process ends.

    Raises DaemonError if another daemon holds it.
    """
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DaemonError(f"{path}.lock cannot be made: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _another_listens(path) from None
        yield
    finally:
        os.close(lock)


def listen(path: str) -> socket.socket:
    """Return a listening socket at `path` with mode 0600, replacing a stale one.

    Raises DaemonError, also if another daemon listens there. The caller holds the lock of `alone`, so no other daemon
    starts meanwhile.
    """
    before = os.umask(0o177)  # so that the file never exists with another mode
    try:
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            listener.listen(most_clients())
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise DaemonError(f"{path} cannot be listened at: {error.strerror or error}") from None
    finally:
        os.umask(before)
    return listener


def _remove_stale(path: str) -> None:
    """Remove a socket at which nobody listens. Raises DaemonError if somebody does, or for another kind of file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:  # a socket without a daemon, or another kind of file
            remove_socket(path)
            return
    raise _another_listens(path)


def _another_listens(path: str) -> DaemonError:
    return DaemonError(f"another daemon listens at {path}", "Stop it, or set IMGRET_SOCKET.")


def remove_socket(path: str) -> None:
    """Remove a socket of this user. Raises DaemonError for any other file."""
    status = os.lstat(path)
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise DaemonError(
            f"{path} is not a socket of yours, so the daemon cannot listen there",
            "Name another path with IMGRET_SOCKET.",
        )
    os.unlink(path)
