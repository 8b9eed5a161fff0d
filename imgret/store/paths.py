"""Paths in a root: bytes, relative to it."""

from __future__ import annotations

import os


def relative(root: bytes, path: bytes) -> bytes | None:
    """`path` seen from `root`: empty for the root itself, None for a path that is not inside."""
    if path == root:
        return b""
    above = root.rstrip(b"/") + b"/"
    return path[len(above) :] if path.startswith(above) else None


def join(root: bytes, folder: bytes, name: bytes) -> bytes:
    """The absolute path of a photo."""
    return os.path.join(root, folder, name)
