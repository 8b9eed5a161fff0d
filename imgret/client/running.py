"""Use the daemon of one index if it is running. For programs that also work without it."""

from __future__ import annotations

from typing import Any

from imgret.client.socket_client import NoDaemon, request
from imgret.errors import DaemonError

STATUS_SECONDS = 5.0  # a daemon reports its state at once, even while it is working


def daemon_status(socket: str, index: str, timeout: float = STATUS_SECONDS) -> dict[str, Any] | None:
    """Return the state that the daemon at `socket` reports; None if there is none, or if it serves another index than `index`.

    A daemon that does not respond within `timeout` seconds has the state "silent" and a `problem`.
    """
    try:
        status = request(socket, "status", {}, timeout)
    except NoDaemon:
        return None
    except DaemonError as error:
        return {"state": "silent", "problem": str(error)}
    return status if isinstance(status, dict) and status.get("index") == index else None


def request_if_running(
    socket: str, index: str, method: str, params: dict[str, Any], timeout: float = STATUS_SECONDS
) -> bool:
    """Send one request to the daemon that serves `index`. Return False if there is no such daemon.

    `timeout` applies to its status, in seconds. Raises Refused or DaemonError if the request itself fails.
    """
    if daemon_status(socket, index, timeout) is None:
        return False
    request(socket, method, params)
    return True
