"""What systemd and a service tell each other: sd_notify, the watchdog, and sockets handed over.

By hand, a few lines each; the protocol is stable and documented in sd_notify(3) and sd_listen_fds(3).
Without systemd every function does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

_FIRST_FD = 3  # SD_LISTEN_FDS_START


def notify(*assignments: str, environ: MutableMapping[str, str] = os.environ) -> bool:
    """Tell the manager, e.g. `notify("READY=1", "STATUS=Watching 3 folders")`. Was there one to tell?"""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            manager.sendall("\n".join(assignments).encode("utf-8", "replace"))
        except OSError:
            return False  # the manager is gone; there is nobody to complain to
    return True


def watchdog_seconds(environ: MutableMapping[str, str] = os.environ) -> float | None:
    """How often the manager wants to hear from us at least; None when it does not."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None


def handed_over(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """The listening socket that the manager opened for us; None when we have to open our own.

    The variables are taken out of `environ`, so that no child believes it was meant.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        return None
    os.set_inheritable(_FIRST_FD, False)  # noqa: FBT003
    return socket.socket(fileno=_FIRST_FD)


def hand_over(listener: socket.socket, environ: MutableMapping[str, str] = os.environ) -> None:
    """Leave the listening socket of `handed_over` to the program that this process runs next."""
    if listener.fileno() != _FIRST_FD:
        os.dup2(listener.fileno(), _FIRST_FD)
    os.set_inheritable(_FIRST_FD, True)  # noqa: FBT003
    environ["LISTEN_PID"], environ["LISTEN_FDS"] = str(os.getpid()), "1"
