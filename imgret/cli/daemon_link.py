"""The daemon, as the commands see it: handed work, asked for its state, followed. Absent is no error."""

from __future__ import annotations

from typing import Any

from imgret.cli import console
from imgret.cli.progress import bar
from imgret.cli.session import Session
from imgret.client.socket_client import Connection, NoDaemon, ask
from imgret.errors import DaemonError

QUICK = 5.0  # seconds: a daemon that is asked for its state answers at once, whatever it works on


def daemon_state(here: Session) -> dict[str, Any] | None:
    """What the daemon says of itself; None when none serves this index."""
    try:
        state = ask(here.places.socket, "status", {}, QUICK)
    except NoDaemon:
        return None
    except DaemonError as error:
        return {"state": "silent", "problem": str(error)}
    if not isinstance(state, dict) or state.get("index") != here.places.index:
        return None
    return state


def told_daemon(here: Session, method: str, params: dict[str, Any]) -> bool:
    """Tell the daemon of this index to do something; False when there is none."""
    if daemon_state(here) is None:
        return False
    ask(here.places.socket, method, params)
    return True


def command_daemon(here: Session, method: str) -> None:
    """Tell the daemon to do something. Raises NoDaemon when there is none."""
    ask(here.places.socket, method, {})


def follow_daemon(here: Session) -> None:
    """Show the daemon's progress until ctrl-C. Raises NoDaemon when there is none."""
    with Connection(here.places.socket) as daemon, bar("The daemon") as advance:
        for name, data in daemon.events():
            if name == "problem":
                console.say(str(data.get("message", "")))
            else:
                done, total = int(data.get("done", 0)), int(data.get("total", 0))
                advance(done, total, str(data.get("note", "")))
