"""Shared by all commands: the settings, the paths of imgret's files, and the paths given as arguments."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgret import disk_calls, inputs
from imgret.errors import UsageError
from imgret.store.factory import open_store

if TYPE_CHECKING:
    from imgret.config import Places, Settings
    from imgret.store.interface import Store


@dataclass(frozen=True)
class Session:
    """The configuration of this run."""

    settings: Settings
    places: Places

    def index(self, *, create: bool = False) -> Store:
        """Open the index. Without `create`, raises IndexMissing if it is missing."""
        return open_store(self.places.index, create=create)


def session() -> Session:
    """Read the configuration."""
    from imgret.config import load, places

    found = places()
    return Session(load(found.config), found)


def absolute(path: str) -> bytes:
    """Return a path of the command line as absolute bytes. Links in its folders are resolved, the last part is not.

    Raises UsageError if it is empty.
    """
    raw = os.path.abspath(_nonempty(path))
    folder, name = os.path.split(raw)
    return os.path.join(disk_calls.resolved(folder), name) if name else raw


def folders(paths: Iterable[str]) -> list[bytes]:
    """Return the folders of the command line, with links resolved.

    Raises UsageError for a path that does not exist or is not a folder, NotResponding if its disk does not respond.
    """
    found = []
    for path in paths:
        raw = os.path.abspath(_nonempty(path))
        found.append(disk_calls.call(raw, functools.partial(_folder, raw, path)))
    return found


def _folder(raw: bytes, path: str) -> bytes:
    if not os.path.exists(raw):
        raise UsageError(f"{path} does not exist", "Name an existing folder.")
    if not os.path.isdir(raw):
        raise UsageError(f"{path} is a file", "Name the folder that contains it.")
    return os.path.realpath(raw)


def _nonempty(path: str) -> bytes:
    """Return the path as bytes. Raises UsageError if it is empty, as that would mean the current folder."""
    if not path:
        raise UsageError("a path is empty", 'Perhaps a variable such as "$NAME" is not set.')
    return inputs.path_bytes(path)
