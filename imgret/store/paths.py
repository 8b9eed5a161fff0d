"""Conversions between absolute paths and paths relative to a root, both as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable


def relative(root: bytes, path: bytes) -> bytes | None:
    """Return `path` relative to `root`: empty for the root itself, None for a path outside it."""
    if path == root:
        return b""
    above = root.rstrip(b"/") + b"/"
    return path[len(above) :] if path.startswith(above) else None


def join(root: bytes, folder: bytes, name: bytes) -> bytes:
    """Return the absolute path of the photo `name` in `folder`, which is relative to `root`."""
    return os.path.join(root, folder, name)


def outermost(folders: Iterable[bytes]) -> list[bytes]:
    """Return the folders that are in none of the others, each once, ascending."""
    found: list[bytes] = []
    for folder in sorted(set(folders)):
        if not any(relative(other, folder) is not None for other in found):
            found.append(folder)
    return found
