"""A folder to keep in sync, and one pass over some of its folders by the root that holds it in the index."""

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


class Watched(NamedTuple):
    """A folder to keep in sync: the root in the index that is or holds it, and where it lies in there."""

    path: bytes
    root: Root
    inside: bytes


def inside(watched: Watched, folder: bytes) -> bytes:
    """`folder` relative to the root in the index."""
    found = paths.relative(watched.root.path, folder)
    assert found is not None
    return found


def sync_watched(
    store: Store,
    settings: Settings,
    each: Watched,
    folders: set[bytes],
    *,
    recursive: bool,
    on_progress: Callable[[int], None],
    stopped: Callable[[], bool],
) -> tuple[Root, set[bytes], SyncResult] | None:
    """`imgret.sync.sync` of `folders`, relative to the root of `each`, by the root that holds it now.

    -> that root, the folders relative to it, and what was found; None: no root holds it any more.
    """
    place = store.roots.enclosing(each.path)
    if place is None:
        return None
    root = place[0]
    if root.id != each.root.id:  # another root took the folder over since it was configured
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
