"""How the commands use the daemon: send it requests, read its state, show its progress.

The commands also work without a daemon.
"""

from __future__ import annotations

from typing import Any

from imgret.cli import console
from imgret.cli.progress import bar
from imgret.cli.session import Session
from imgret.client.running import daemon_status, request_if_running
from imgret.client.socket_client import Connection
from imgret.errors import DaemonError


def daemon_state(here: Session) -> dict[str, Any] | None:
    """Return the state that the daemon reports; None if no daemon serves this index."""
    return daemon_status(here.places.socket, here.places.index)


def notify_daemon(here: Session, method: str, params: dict[str, Any]) -> bool:
    """Send a request to the daemon of this index. Return False if there is none."""
    return request_if_running(here.places.socket, here.places.index, method, params)


def command_daemon(here: Session, method: str) -> None:
    """Call a method, without parameters, of the daemon of this index. Raises NoDaemon, or DaemonError if it serves another."""
    with Connection(here.places.socket) as daemon:
        _check_index(here, daemon)
        daemon.request(method, {})


def follow_daemon(here: Session) -> None:
    """Show the daemon's progress until ctrl-C. Raises NoDaemon, or DaemonError if it serves another index."""
    with Connection(here.places.socket) as daemon, bar("The daemon") as advance:
        _check_index(here, daemon)
        for name, data in daemon.events():
            if name == "problem":
                console.message(str(data.get("message", "")))
            else:
                done, total = int(data.get("done", 0)), int(data.get("total", 0))
                advance(done, total, str(data.get("note", "")))


def _check_index(here: Session, daemon: Connection) -> None:
    status = daemon.request("status", {})
    served = status.get("index") if isinstance(status, dict) else None
    if served != here.places.index:
        raise DaemonError(
            f"the daemon at {here.places.socket} serves another index: {served}",
            "Name that index with IMGRET_INDEX, or the socket of another daemon with IMGRET_SOCKET.",
        )
