"""The protocols between systemd and a service: sd_notify, the watchdog, and socket activation.

They are stable and documented in sd_notify(3) and sd_listen_fds(3), and need only a few lines each. Without systemd,
the functions do nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

_FIRST_FD = 3  # SD_LISTEN_FDS_START


def notify(*assignments: str, environ: MutableMapping[str, str] = os.environ) -> bool:
    """Send a state to systemd, e.g. `notify("READY=1", "STATUS=Watching 3 folders")`. Returns whether it was sent."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            manager.sendall("\n".join(assignments).encode("utf-8", "replace"))
    except OSError:
        return False  # the manager has ended, or no descriptor is left
    return True


def watchdog_seconds(environ: MutableMapping[str, str] = os.environ) -> float | None:
    """Return the interval within which systemd expects a watchdog message; None if it expects none."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None


def handed_over(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """Return the listening socket opened by systemd; None if there is none.

    The variables are removed from `environ`, so that child processes do not use them.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        return None
    os.set_inheritable(_FIRST_FD, False)  # noqa: FBT003
    return socket.socket(fileno=_FIRST_FD)


def hand_over(listener: socket.socket, environ: MutableMapping[str, str] = os.environ) -> None:
    """Pass the listening socket of `handed_over` on to the program that this process executes next."""
    if listener.fileno() != _FIRST_FD:
        os.dup2(listener.fileno(), _FIRST_FD)
    os.set_inheritable(_FIRST_FD, True)  # noqa: FBT003
    environ["LISTEN_PID"], environ["LISTEN_FDS"] = str(os.getpid()), "1"
