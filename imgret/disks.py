"""The disks that the index knows, against those that are there: a root's own, and those mounted below it.

What was on a disk that is away is not deleted. A mount below a root is remembered by its identity, as the
root is by its own; when something else lies there, and be it the empty mount point, its photos are offline.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from imgret.disk_calls import NotAnswering
from imgret.mounts import mounts_below, root_health, root_identity
from imgret.store import paths
from imgret.store.interface import Store
from imgret.store.records import Root


def away_below(store: Store, root: Root) -> list[bytes]:
    """The folders of a root, relative to it, whose disks are away. What came or went is remembered.

    Ask after what seems to be deleted was listed, and again before it is committed.
    """
    known = {mount.folder: mount for mount in store.roots.mounts(root.id)}
    here = mounts_below(root.path)
    away: list[bytes] = []
    for folder in sorted(known.keys() | here):
        identity, before = root_identity(os.path.join(root.path, folder)), known.get(folder)
        if before is not None and identity == before.filesystem:
            if before.reason is not None:
                store.roots.mark_mounted(root.id, folder, identity)
        elif before is not None and store.photos.any_known(root.id, folder):
            away.append(folder)
            reason = _why(
                os.path.join(root.path, folder), mounted=folder in here, answers=identity is not None
            )
            if reason != before.reason:
                store.roots.mark_unmounted(root.id, folder, reason)
        elif folder in here and identity is not None:
            store.roots.mark_mounted(root.id, folder, identity)
        elif before is not None:
            store.roots.forget_mounts(root.id, folder)
    return away


def away(store: Store) -> list[bytes]:
    """The absolute paths of all roots, and folders below them, whose disks are away; each is marked so."""
    found = []
    for root in store.roots.all():
        health = root_health(root.path, root.filesystem, photos=store.photos.any_known(root.id))
        if root.online and not health.online:
            store.roots.mark_offline(root.id, health.reason or "it is away")
        if root.online and health.online:
            found += [os.path.join(root.path, folder) for folder in away_below(store, root)]
        else:
            found.append(root.path)
    return found


def lies_in(folder: bytes, above: Iterable[bytes]) -> bool:
    """Whether `folder` is one of those `above`, or below one."""
    return any(paths.relative(each, folder) is not None for each in above)


def _why(path: bytes, *, mounted: bool, answers: bool) -> str:
    if mounted and not answers:
        return str(NotAnswering(path))
    what = "lies on another disk than it did" if mounted else "is not mounted"
    return f"{os.fsdecode(path)} {what}; `imgret add` accepts it"
