"""`imgret add`, `remove` and `folders`: change and list the watched folders in the configuration file."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from imgret import disk_calls, inputs
from imgret.cli import console
from imgret.cli.config_file import change_folders
from imgret.cli.index_report import NO_FOLDERS
from imgret.cli.session import Session, folders, session
from imgret.errors import UsageError
from imgret.places import is_server
from imgret.store.factory import exists
from imgret.store.paths import relative


def add(
    paths: Annotated[list[str], typer.Argument(metavar="FOLDER", help="Existing folders.")],
    same_as: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The folder has the photos that the index has at this path, from this host before or from other hosts.",
        ),
    ] = None,
    separate: Annotated[
        bool, typer.Option("--separate", help="Other hosts have another folder at the same path.")
    ] = False,
) -> None:
    """Watch folders: the daemon keeps their photos indexed.

    Add a folder again to accept that it is now on another disk.
    """
    from imgret.cli.daemon_link import notify_daemon

    here = session()
    wanted = folders(paths)
    have = {_resolved(folder) for folder in here.settings.folders}
    added = [_decoded(path) for path in wanted if path not in have]
    before = [] if same_as is None else _move(here, wanted, inputs.path_bytes(same_as), separate=separate)
    if separate:
        _separate(here, wanted)
    change_folders(here.places.config, add=added, remove=before)
    if exists(here.places.index):
        with here.index() as store:
            for path in wanted:
                store.roots.accept_any_filesystem(path)
    for path in wanted:
        console.message(f"{console.shown(path)} is watched" + ("" if path not in have else " already"))
    if not notify_daemon(here, "reload", {}):
        console.message(
            "no daemon is running: `imgret index` scans these folders once, `imgret service install` starts a daemon"
        )


def _move(here: Session, wanted: list[bytes], known: bytes, *, separate: bool) -> list[str]:
    """Save that a root is at another path. Return the folders of the configuration that are this root."""
    if len(wanted) != 1 or separate:
        raise UsageError("--same-as is about one folder, and not with --separate", "Name one FOLDER.")
    with here.index() as store:
        roots = store.roots.all()
        root = next((root for root in roots if root.path == known.rstrip(b"/")), None)
        if root is None:
            raise UsageError(
                f"the index has no folder {console.shown(known)}", "`imgret folders` lists them."
            )
        taken = next(
            (each for each in roots if each.path == wanted[0] and each.here and each.id != root.id), None
        )
        if taken is not None:
            raise UsageError(
                f"{console.shown(wanted[0])} is another folder of the index",
                "Remove it first: `imgret remove`.",
            )
        store.roots.move(root.id, wanted[0])
    return [folder for folder in here.settings.folders if _resolved(folder) == root.path != wanted[0]]


def _separate(here: Session, wanted: list[bytes]) -> None:
    if not is_server(here.places.index):
        raise UsageError("an index in a file has the folders of one host", "Leave out --separate.")
    with here.index(create=True) as store:
        for path in wanted:
            store.roots.add(path, separate=True)


def remove(
    paths: Annotated[
        list[str], typer.Argument(metavar="FOLDER", help="Folders as `imgret folders` lists them.")
    ],
) -> None:
    """Stop watching folders. Their photos are removed from the index; their notes are kept."""
    from imgret.cli.daemon_link import notify_daemon

    here = session()
    unwanted = {_resolved(path) for path in paths if path}
    if not unwanted:
        raise UsageError("a path is empty", "`imgret folders` lists the folders.")
    listed = [folder for folder in here.settings.folders if _resolved(folder) in unwanted]
    known = {_resolved(folder) for folder in here.settings.folders}
    indexed = exists(here.places.index)
    if indexed:
        with here.index() as store:
            known |= {root.path for root in store.roots.all()}
    for path in unwanted - known:
        raise UsageError(f"{console.shown(path)} is not one of the folders", "`imgret folders` lists them.")
    change_folders(here.places.config, remove=listed)
    watched = {_resolved(folder) for folder in here.settings.folders if folder not in listed}
    for path in sorted(unwanted) if indexed else ():
        above = next((each for each in watched if relative(each, path) is not None), None)
        if above is not None:
            console.message(
                f"{console.shown(path)} is inside {console.shown(above)}, which is watched: its photos stay in the index"
            )
            continue
        with here.index() as store:
            count = store.removal.remove_folder(path, watched, int(time.time()))
        console.message(f"{console.shown(path)}: {console.counted(count, 'photo')} removed from the index")
    notify_daemon(here, "reload", {})


def list_folders() -> None:
    """List the folders that are watched or were indexed."""
    here = session()
    seen = {_resolved(folder) for folder in here.settings.folders}
    if exists(here.places.index):
        with here.index() as store:
            seen |= {root.path for root in store.roots.all()}
    for path in sorted(seen):
        console.out_path(path)
    if not seen:
        console.message(NO_FOLDERS)


def _resolved(folder: str) -> bytes:
    return disk_calls.resolved(inputs.path_bytes(folder))


def _decoded(path: bytes) -> str:
    """Return a path as the text for the configuration. Raises UsageError if it is not UTF-8."""
    try:
        return path.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"{console.shown(path)} is not UTF-8, and cannot be written to the configuration",
            "Add its parent folder instead.",
        ) from None
