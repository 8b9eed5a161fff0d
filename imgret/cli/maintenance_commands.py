"""`imgret retry`, `doctor` and `export`: commands for the whole index."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from imgret import disk_calls
from imgret.cli import console
from imgret.cli.session import session
from imgret.disk_calls import NotResponding
from imgret.errors import Exit, UsageError
from imgret.terminal.clean import clean


def retry(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Default: all that failed.")
    ] = None,
) -> None:
    """Try failed photos again now, whatever their attempts."""
    from imgret.cli.daemon_link import notify_daemon
    from imgret.cli.session import absolute

    here = session()
    with here.index() as store:
        found = {file: store.photos.find(absolute(file)) for file in files or ()}
        known = {file: photo for file, photo in found.items() if photo and photo.gone_at is None}
        count = store.failures.retry(list(known.values()) if files else None)
    daemon_notified = notify_daemon(here, "retry", {})
    if known or not files:
        then = ": run `imgret index`" if not daemon_notified else ""
        console.message(
            f"{console.counted(count, 'photo')} to be tried again{then if count else ': `imgret status` lists what failed'}"
        )
    unknown = [file for file in found if file not in known]
    for file in unknown[1:]:
        console.message(f"{file} is not in the index")
    if unknown:
        folder = _is_folder(absolute(unknown[0]))
        hint = (
            "Name photos, or no file to try all again."
            if folder
            else f"`imgret show {unknown[0]}` gives the reason."
        )
        raise UsageError(f"{unknown[0]} is {'a folder' if folder else 'not in the index'}", hint)


def _is_folder(path: bytes) -> bool:
    try:
        return disk_calls.call(path, lambda: os.path.isdir(path))
    except NotResponding:
        return False


def doctor(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild the derived tables of the index first.")
    ] = False,
) -> None:
    """Check the installation, and advise what to do about problems.

    Checks the index, the weights, the folders, the libraries and the daemon. Exits with 3 if something is WRONG.
    `todo` marks optional steps that are not done yet.
    """
    from imgret.cli.doctor_checks import checks, rebuild_derived

    here = session()
    if rebuild:
        rebuild_derived(here)
    sound = True
    for good, sentence in checks(here):
        sound &= good is not False
        mark = {True: "ok   ", False: "WRONG", None: "todo "}[good]
        console.out_line(clean(f"{mark} {sentence}"))
    if not sound:
        raise typer.Exit(Exit.INDEX)


def export() -> None:
    """Print every photo as JSON, one per line, like `imgret show`."""
    from imgret.cli.photo_lines import state_line
    from imgret.photo_state import photo_state

    here = session()
    with here.index() as store:
        for path in store.photos.all_paths():
            console.out_line(state_line(photo_state(store, here.settings, path)))
