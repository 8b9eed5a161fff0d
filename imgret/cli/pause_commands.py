"""`imgret pause` and `imgret resume`: pause and resume the daemon."""

from __future__ import annotations

from imgret.cli import console
from imgret.cli.session import session


def pause() -> None:
    """Pause the daemon until `imgret resume`."""
    from imgret.cli.daemon_link import command_daemon

    command_daemon(session(), "pause")
    console.message("the daemon is paused; searches still work")


def resume() -> None:
    """Resume the daemon."""
    from imgret.cli.daemon_link import command_daemon

    command_daemon(session(), "resume")
    console.message("the daemon is resumed")
