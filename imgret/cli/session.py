"""What every command begins with: the settings, the places, and the paths of the command line."""

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
        """The index, opened; without `create` a missing one is an error that says what to do."""

        return open_store(self.places.index, create=create)


def session() -> Session:
    """Read the configuration once."""
    from imgret.config import load, places

    where = places()
    return Session(load(where.config), where)


def absolute(path: str) -> bytes:
    """A path of the command line as absolute bytes, its folders resolved, a link itself not followed.

    UsageError for an empty one.
    """
    raw = os.path.abspath(_named(path))
    folder, name = os.path.split(raw)
    return os.path.join(disk_calls.resolved(folder), name) if name else raw


def folders(paths: Iterable[str]) -> list[bytes]:
    """The folders that were named, resolved.

    UsageError for one that is not there or not a folder, NotAnswering where its disk does not answer.
    """
    found = []
    for path in paths:
        raw = os.path.abspath(_named(path))
        found.append(disk_calls.call(raw, functools.partial(_folder, raw, path)))
    return found


def _folder(raw: bytes, path: str) -> bytes:
    if not os.path.exists(raw):
        raise UsageError(f"{path} is not there", "Name a folder that exists.")
    if not os.path.isdir(raw):
        raise UsageError(f"{path} is a file", "Name the folder that holds it.")
    return os.path.realpath(raw)


def _named(path: str) -> bytes:
    """The path, which an empty text would make the folder that the command was called in. UsageError for one."""
    if not path:
        raise UsageError("a path is empty", 'A variable in it may not be set: "$NAME".')
    return inputs.path_bytes(path)
