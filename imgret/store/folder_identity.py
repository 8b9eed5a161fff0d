"""The disk of a folder that stays when the root above it is removed. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from imgret import mounts
from imgret.store import paths
from imgret.store.records import MountPoint, Root


def folder_identity(root: Root, mounted: Iterable[MountPoint], folder: bytes) -> str | None:
    """Return what `mounts.root_identity` returns for a folder of a root: the identity of its disk and the path on it.

    `mounted` are the mounts of the root. None if the disk is not known.
    """
    identity, inside = root.filesystem, folder
    for mount in sorted(mounted, key=lambda mount: len(mount.folder)):
        part = paths.relative(mount.folder, folder)
        if part is not None:
            identity, inside = mount.filesystem, part
    if identity is None or not inside:
        return identity
    return f"{identity.rstrip('/')}/{mounts.as_text(inside)}"
