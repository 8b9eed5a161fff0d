"""`imgret add`, `remove` and `folders`: what is watched. Written to the configuration, comments kept."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Annotated

import typer

from imgret.cli import render
from imgret.cli.session import Session, folders, session
from imgret.errors import ConfigError, UsageError


def add(
    paths: Annotated[list[str], typer.Argument(metavar="FOLDER", help="Folders that exist.")],
) -> None:
    """Watch folders: the daemon indexes them and keeps them true.

    Adding a folder again accepts that it lies on another disk than it did.
    """
    from imgret.cli.link import told_daemon
    from imgret.index import roots

    here = session()
    wanted = folders(paths)
    have = {_resolved(folder) for folder in here.settings.folders}
    new = [_shortened(path) for path in wanted if path not in have]
    write_folders(here, [*here.settings.folders, *new])
    if os.path.exists(here.places.index):
        with here.index() as index:
            for path in wanted:
                roots.accept_any_filesystem(index, path)
    for path in wanted:
        render.say(f"{render.shown(path)} is watched" + ("" if path not in have else " already"))
    if not told_daemon(here, "reload", {}):
        render.say(
            "no daemon runs: `imgret index` looks at these folders now, `imgret service install` for good"
        )


def remove(
    paths: Annotated[list[str], typer.Argument(metavar="FOLDER", help="As `imgret folders` lists them.")],
) -> None:
    """Watch folders no more. Their photos leave the index; their notes are kept."""
    from imgret.cli.link import told_daemon
    from imgret.index import removal, roots

    here = session()
    unwanted = {_resolved(path) for path in paths}
    kept = [folder for folder in here.settings.folders if _resolved(folder) not in unwanted]
    known = {_resolved(folder) for folder in here.settings.folders}
    indexed = os.path.exists(here.places.index)
    if indexed:
        with here.index() as index:
            known |= {root.path for root in roots.roots(index)}
    for path in unwanted - known:
        raise UsageError(f"{render.shown(path)} is not one of the folders", "`imgret folders` lists them.")
    if len(kept) < len(here.settings.folders):
        write_folders(here, kept)
    watched = {_resolved(folder) for folder in kept}
    for path in sorted(unwanted) if indexed else ():
        above = next((each for each in watched if roots.relative(each, path) is not None), None)
        if above is not None:
            render.say(
                f"{render.shown(path)} lies in {render.shown(above)}, which is watched: its photos stay"
            )
            continue
        with here.index() as index:
            count = removal.remove(index, path, watched, int(time.time()))
        render.say(f"{render.shown(path)}: {count} photos left the index")
    told_daemon(here, "reload", {})


def list_folders() -> None:
    """The folders that are watched or were indexed."""
    from imgret.index import roots

    here = session()
    seen = {_resolved(folder) for folder in here.settings.folders}
    if os.path.exists(here.places.index):
        with here.index() as index:
            seen |= {root.path for root in roots.roots(index)}
    for path in sorted(seen):
        render.out_path(path)


def write_folders(here: Session, wanted: list[str]) -> None:
    """Set `folders` in the configuration file; everything else in it stays as it is."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from imgret.config import parse

    path = here.places.config
    try:
        with open(path, encoding="utf-8") as file:
            document = tomlkit.parse(file.read())
    except FileNotFoundError:
        document = tomlkit.document()
    except (OSError, TOMLKitError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    array = tomlkit.array()
    array.extend(wanted)
    if "folders" in document:
        document["folders"] = array
    else:  # a bare key must stand above the first table
        text = tomlkit.dumps({"folders": array}) + tomlkit.dumps(document)
        document = tomlkit.parse(text)
    text = tomlkit.dumps(document)
    parse(text, path)
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix=".config-", encoding="utf-8", delete=False
        ) as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        os.replace(new.name, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _resolved(folder: str) -> bytes:
    return os.path.realpath(os.path.expanduser(os.fsencode(folder)))


def _shortened(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"{render.shown(path)} is not UTF-8, and the configuration cannot name it",
            "Watch the folder above it.",
        ) from None
