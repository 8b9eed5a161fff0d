"""Count the files and folders below a watched folder that are not indexed, by reason.

The walk follows the same rules as a scan and opens no file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection

from msgspec import Struct, field

from imgret.exclude import NOMEDIA, Exclude, is_image
from imgret.sidecar_names import sidecar_names

_LONGEST_EXTENSION = 16  # bytes; longer ones are counted as no extension


class Skipped(Struct):
    """How many files and folders were skipped, and why."""

    folders: Counter[str] = field(default_factory=Counter)  # excluded folders, by "hidden" or the pattern
    images: Counter[str] = field(default_factory=Counter)  # excluded image files, by the same reasons
    nomedia: int = 0  # folders with a `.nomedia`
    links: int = 0  # symbolic links, to files or folders
    special: int = 0  # FIFOs, sockets, devices
    not_images: Counter[str] = field(default_factory=Counter)  # by extension in lower case; "" for none
    unlisted: int = 0  # folders that cannot be listed
    unreadable: int = 0  # entries whose type cannot be read


def skipped(
    root: bytes,
    rules: Exclude,
    offline: Collection[bytes] = (),
    on_folder: Callable[[bytes], None] = lambda _: None,
) -> Skipped:
    """Walk the folder at `root`, except for the folders in `offline` (relative to it), and count.

    `on_folder` is called with the path of each folder before it is listed.
    """
    found, waiting = Skipped(), [b""]
    while waiting:
        folder = waiting.pop()
        on_folder(os.path.join(root, folder))
        try:
            with os.scandir(os.path.join(root, folder)) as listed:
                entries = list(listed)
        except OSError:
            found.unlisted += 1
            continue
        if any(entry.name == NOMEDIA for entry in entries) and rules.respects_nomedia(folder):
            found.nomedia += 1
            continue
        photos: list[bytes] = []
        others: list[bytes] = []
        for entry in entries:
            path = os.path.join(folder, entry.name)
            try:
                if entry.is_symlink():
                    found.links += 1
                elif entry.is_dir(follow_symlinks=False):
                    reason = rules.pattern(path + b"/") if rules.excludes_folder(folder, entry.name) else None
                    if reason is not None:
                        found.folders[reason] += 1
                    elif path not in offline:
                        waiting.append(path)
                elif not entry.is_file(follow_symlinks=False):
                    found.special += 1
                elif not is_image(entry.name):
                    others.append(entry.name)
                elif rules.excludes_file(folder, entry.name):
                    found.images[rules.pattern(path) or "excluded"] += 1
                else:
                    photos.append(entry.name)
            except OSError:
                found.unreadable += 1
        read = _sidecars(folder, photos, others, rules)
        found.not_images.update(_extension(name) for name in others if name not in read)
    return found


def _sidecars(folder: bytes, photos: list[bytes], others: list[bytes], rules: Exclude) -> set[bytes]:
    """Return those of the `others` that describe one of the photos in the same folder: they are read, not skipped."""
    possible = {name for name in others if not rules.excludes_sidecar(folder, name)}
    return possible & {name for photo in photos for name in sidecar_names(photo)} if possible else possible


def why_not_entered(root: bytes, folder: bytes, rules: Exclude) -> str | None:
    """Return why a scan does not enter `folder` (relative to `root`); None if it does, or if it does not exist."""
    path = b""
    for part in [b"", *(folder.split(b"/") if folder else [])]:
        path = os.path.join(path, part) if path else part
        if path and (reason := rules.pattern(path + b"/")):
            return (
                f"{os.fsdecode(path)} is hidden" if reason == "hidden" else f"{os.fsdecode(path)}: {reason}"
            )
        here = os.path.join(root, path) if path else root
        if path and os.path.islink(here):
            return f"{os.fsdecode(path)} is a symbolic link"
        if os.path.lexists(os.path.join(here, NOMEDIA)) and rules.respects_nomedia(path):
            return f"there is a .nomedia in {os.fsdecode(here)}"
    return None


def _extension(name: bytes) -> str:
    dot = name.rfind(b".")
    extension = name[dot:].lower() if dot > 0 else b""
    return os.fsdecode(extension) if len(extension) <= _LONGEST_EXTENSION else ""
