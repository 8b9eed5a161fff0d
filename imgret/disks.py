"""Compare the disks known to the index with the mounted ones: the disks of roots, and those mounted below them.

Photos on an unavailable disk are offline, not deleted. The index records the identity of each mount below a
root, like that of the root itself. If another file system, or an empty mount point, is found there, the photos
are offline.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from imgret.disk_calls import NotResponding
from imgret.mounts import mounts_below, root_health, root_identity
from imgret.store import paths
from imgret.store.interface import Store
from imgret.store.records import Root


def look(store: Store) -> None:
    """Find the roots of other hosts that are on a disk of this host, at the same path, and record them as seen here."""
    for root in store.roots.all():
        if not root.here and root.filesystem is not None and root_identity(root.path) == root.filesystem:
            store.roots.mark_online(root.id, root.filesystem)


def offline_below(store: Store, root: Root) -> list[bytes]:
    """Return the folders of a root, relative to it, whose disks are unavailable, and record which ones changed.

    Call this after missing files were found, and again before their deletion is committed.
    """
    known = {mount.folder: mount for mount in store.roots.mounts(root.id)}
    here = mounts_below(root.path)
    offline: list[bytes] = []
    for folder in sorted(known.keys() | here):
        identity, before = root_identity(os.path.join(root.path, folder)), known.get(folder)
        if before is not None and identity == before.filesystem:
            if before.reason is not None:
                store.roots.mark_mounted(root.id, folder, identity)
        elif before is not None and store.photos.any_known(root.id, folder):
            offline.append(folder)
            reason = _why(
                os.path.join(root.path, folder), mounted=folder in here, responds=identity is not None
            )
            if reason != before.reason:
                store.roots.mark_unmounted(root.id, folder, reason)
        elif folder in here and identity is not None:
            store.roots.mark_mounted(root.id, folder, identity)
        elif before is not None:
            store.roots.forget_mounts(root.id, folder)
    return offline


def offline_folders(store: Store) -> list[bytes]:
    """Return the absolute paths of all roots and folders below them whose disks are unavailable, and mark them."""
    found = []
    for root in store.roots.all():
        health = root_health(root.path, root.filesystem, photos=store.photos.any_known(root.id))
        if root.online and not health.online:
            store.roots.mark_offline(root.id, health.reason or "it is not available")
        if root.online and health.online:
            found += [os.path.join(root.path, folder) for folder in offline_below(store, root)]
        else:
            found.append(root.path)
    return found


def is_inside(folder: bytes, folders: Iterable[bytes]) -> bool:
    """Return whether `folder` is one of `folders` or below one of them."""
    return any(paths.relative(each, folder) is not None for each in folders)


def _why(path: bytes, *, mounted: bool, responds: bool) -> str:
    if mounted and not responds:
        return str(NotResponding(path))
    what = "is now on another disk" if mounted else "is not mounted"
    return f"{os.fsdecode(path)} {what}; run `imgret add` to accept that"
