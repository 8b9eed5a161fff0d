"""`imgret pause` and `resume`: whether the daemon works."""

from __future__ import annotations

from imgret.cli import console
from imgret.cli.session import session


def pause() -> None:
    """Pause the daemon until `imgret resume`."""
    from imgret.cli.daemon_link import command_daemon

    command_daemon(session(), "pause")
    console.say("the daemon is paused; searches still work")


def resume() -> None:
    """Let the daemon go on."""
    from imgret.cli.daemon_link import command_daemon

    command_daemon(session(), "resume")
    console.say("the daemon continues")
