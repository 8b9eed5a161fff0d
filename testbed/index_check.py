"""Compare the index with the disk, path by path and hash by hash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from blake3 import blake3

from testbed.home import Home


def on_disk(folder: Path) -> dict[bytes, bytes]:
    """Return the BLAKE3 of every PNG below a folder by path, without hidden files and links."""
    found = {}
    for here, below, names in os.walk(os.fsencode(folder)):
        below[:] = [name for name in below if not name.startswith(b".")]
        for name in names:
            path = os.path.join(here, name)
            if name.endswith(b".png") and not name.startswith(b".") and not os.path.islink(path):
                with open(path, "rb") as file:
                    found[path] = blake3(file.read()).digest()
    return found


def differences(home: Home, folder: Path | None = None) -> list[str]:
    """Return a sentence for each path where the index and the disk differ."""
    store: Mapping[bytes, bytes | None] = home.indexed()
    disk = on_disk(folder or home.photos)
    return [
        *(f"not in the index: {path!r}" for path in sorted(disk.keys() - store.keys())),
        *(f"not on the disk: {path!r}" for path in sorted(store.keys() - disk.keys())),
        *(f"another content: {path!r}" for path in sorted(disk) if store.get(path, disk[path]) != disk[path]),
    ]
