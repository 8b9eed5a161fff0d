"""`imgret backup` and `imgret restore`: the index as a file to be kept elsewhere and put back."""

from __future__ import annotations

import contextlib
import os
from typing import Annotated

import typer

from imgret import inputs
from imgret.cli import console
from imgret.cli.session import session
from imgret.errors import UsageError


def backup(
    to: Annotated[str, typer.Argument(metavar="FILE", help="A new file.")],
) -> None:
    """Copy the index, notes and all, to another file.

    A daemon, or whoever else uses the index, goes on meanwhile.
    """

    here = session()
    target = os.path.abspath(os.path.expanduser(to))
    if target != inputs.clean_text(target):
        raise UsageError(f"{to} is not UTF-8, and SQLite can name no such file", "Choose another name.")
    if os.path.lexists(target):
        raise UsageError(f"{to} exists already", "Name a new file.")
    if not os.path.isdir(os.path.dirname(target)):
        raise UsageError(f"there is no folder {os.path.dirname(target)}", "Make it, or name another file.")
    with here.index() as store:
        store.backup(target)
    console.say(f"the index was copied to {to}")


def restore(
    source: Annotated[str, typer.Argument(metavar="BACKUP", help="A file that `imgret backup` made.")],
) -> None:
    """Put a backup in the place of the index.

    The backup is checked first, and stays where it is. The index that was there is kept beside it under
    another name. A running daemon goes on with the restored one.
    """
    from imgret.cli.daemon_link import daemon_state
    from imgret.store.factory import restore as put_back
    from imgret.store.factory import writer_lock

    here = session()
    path = os.path.abspath(os.path.expanduser(source))
    if not os.path.isfile(path):
        what = f"{source} is a folder" if os.path.isdir(path) else f"there is no file at {source}"
        raise UsageError(what, "Name a file that `imgret backup` made.")
    running = daemon_state(here) is not None
    with contextlib.nullcontext() if running else writer_lock(here.places.index, wait=10.0):
        before = put_back(here.places.index, path)
    console.say(f"{source} is the index now" + (f"; the one before is {before}" if before else ""))
    if running:
        console.say("the daemon uses it in a moment")
