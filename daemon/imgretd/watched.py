"""A folder to keep in sync with the index, and one sync pass over some of its folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from imgret.config import Settings
from imgret.intake import SyncResult
from imgret.store import paths
from imgret.store.interface import Store
from imgret.store.records import Root
from imgret.sync import sync


class WatchedFolder(NamedTuple):
    """A folder to keep in sync, the root in the index that is or contains it, and its path relative to that root."""

    path: bytes
    root: Root
    inside: bytes


def inside(watched: WatchedFolder, folder: bytes) -> bytes:
    """Return `folder` relative to the root in the index."""
    found = paths.relative(watched.root.path, folder)
    assert found is not None
    return found


def sync_watched(
    store: Store,
    settings: Settings,
    each: WatchedFolder,
    folders: set[bytes],
    *,
    recursive: bool,
    on_progress: Callable[[int], None],
    stopped: Callable[[], bool],
) -> tuple[Root, set[bytes], SyncResult] | None:
    """Run `imgret.sync.sync` for `folders`, which are relative to the root of `each`.

    Uses the root that contains the folder now. Returns that root, the folders relative to it, and the result; None if
    no root contains the folder any more.
    """
    place = store.roots.enclosing(each.path)
    if place is None:
        return None
    root = place[0]
    if root.id != each.root.id:  # the folder became part of another root after it was configured
        whole = (os.path.join(each.root.path, folder).rstrip(b"/") for folder in folders)
        folders = {inside for path in whole if (inside := paths.relative(root.path, path)) is not None}
    found = sync(
        store,
        settings,
        root,
        folders=folders,
        recursive=recursive,
        on_progress=on_progress,
        stopped=stopped,
    )
    return root, folders, found
