"""`imgret backup` and `imgret restore`: copy the index to a file, and replace the index by such a copy."""

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
    """Copy the index, with all notes, to another file.

    The daemon and other commands can use the index meanwhile.
    """
    here = session()
    target = os.path.abspath(os.path.expanduser(to))
    if target != inputs.clean_text(target):
        raise UsageError(f"{to} is not UTF-8; SQLite cannot create such a file", "Choose another name.")
    if os.path.lexists(target):
        raise UsageError(f"{to} already exists", "Name a new file.")
    if not os.path.isdir(os.path.dirname(target)):
        raise UsageError(f"there is no folder {os.path.dirname(target)}", "Create it, or name another file.")
    with here.index() as store:
        store.backup(target)
    console.message(f"the index was copied to {to}")


def restore(
    source: Annotated[str, typer.Argument(metavar="BACKUP", help="A file created by `imgret backup`.")],
) -> None:
    """Replace the index by a backup.

    The backup is checked first and is not changed. The previous index is kept in the same folder under
    another name. A running daemon switches to the restored index.
    """
    from imgret.cli.daemon_link import daemon_state
    from imgret.store.factory import restore as restore_index
    from imgret.store.factory import writer_lock

    here = session()
    path = os.path.abspath(os.path.expanduser(source))
    if not os.path.isfile(path):
        what = f"{source} is a folder" if os.path.isdir(path) else f"there is no file at {source}"
        raise UsageError(what, "Name a file that `imgret backup` made.")
    running = daemon_state(here) is not None
    with contextlib.nullcontext() if running else writer_lock(here.places.index, wait=10.0):
        before = restore_index(here.places.index, path)
    console.message(
        f"the index was restored from {source}" + (f"; the previous index is now {before}" if before else "")
    )
    if running:
        console.message("the daemon switches to it in a moment")
