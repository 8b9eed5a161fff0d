"""A folder on disk against what is known of it -> changes. The one way by which photos are noticed.

Events are hints; this is the truth, and it is asked often: nothing is built for a file that did not
change. Symlinks are not followed, neither to files nor to folders (the watched folder itself may be
one), so that no loop can arise and no photo is met twice; FIFOs, sockets and devices are passed over.
A folder that holds a `.nomedia` counts as not there, with all that lies below it.

One odd entry costs itself, a folder that does not answer costs itself, and both are reported.

Absence is not deletion: a folder that cannot be listed keeps what is known of it, and a watched folder
that is missing, or was swapped while it was read, ends the scan with `RootOffline`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from imgret import disk_calls
from imgret.disk_calls import NotAnswering
from imgret.exclude import Exclude
from imgret.listing import Change, Finding, FolderScan, RootOffline, below_nomedia, list_folders
from imgret.photo import FileStat

_CHUNK_FOLDERS = 64  # that one thread lists; starting a thread for each folder would cost time
_CHUNK_PHOTOS = 10_000  # about: a chunk's known photos are in memory together


def scan(
    root: bytes,
    known: Callable[[bytes], Mapping[bytes, FileStat]],
    rules: Exclude,
    *,
    folders: Iterable[bytes] = (b"",),
    recursive: bool = True,
    known_folders: Collection[bytes] = (),
    away: Collection[bytes] = (),
    now_ns: int | None = None,
) -> Iterator[FolderScan]:
    """List `folders` (relative to `root`), and with `recursive` all below them, each once.

    `known(folder)` gives the photos that the index holds directly in a folder, name -> stamp;
    `known_folders` are all folders of this root that hold any: those that no longer exist are reported
    last, everything in them gone. What lies at or below the folders that are `away`, since their disks
    are, is neither listed nor gone. Deletions of a pass are best applied after its additions, so that a
    moved photo is met before it is missed. `now_ns` is the wall clock; None: read for each folder.

    Raises RootOffline, also halfway: what was yielded before may be kept, except its deletions.
    """
    identity = _identity(root)
    alive: set[bytes] = set(away)  # known to exist, listed or not
    listed: set[bytes] = set()
    missing: set[bytes] = set()
    waiting = sorted((folder for folder in set(folders) if not _is_away(folder, away)), reverse=True)
    missing.update(folder for folder in waiting if _is_excluded(folder, rules))
    missing |= below_nomedia(root, [folder for folder in waiting if folder not in missing], rules)
    while waiting:
        chunk = _next_chunk(waiting, listed | missing, known)
        for folder, result in list_folders(root, chunk, rules, now_ns, waiting):
            if result is None:
                missing.add(folder)
                alive.discard(folder)
                continue
            alive.add(folder)
            alive.update(os.path.join(folder, name) for name in result.uncertain)
            if result.problem is None:
                listed.add(folder)
            below = [os.path.join(folder, name) for name in result.subfolders]
            if recursive:
                waiting += reversed([path for path in below if path not in away] if away else below)
            alive.update(below)
            if any(finding.change is Change.GONE for finding in result.findings):
                _unswapped(root, identity)
            yield result
    for folder in sorted(missing.union(f for f in known_folders if _is_lost(f, alive, listed, missing))):
        _unswapped(root, identity)
        yield FolderScan(folder, findings=tuple(Finding(name, Change.GONE, None) for name in known(folder)))


def _is_away(folder: bytes, away: Collection[bytes]) -> bool:
    return any(folder == each or folder.startswith(each + b"/") for each in away)


def _is_excluded(folder: bytes, rules: Exclude) -> bool:
    """Whether `folder` or one above it is excluded by name."""
    path, parts = b"", folder.split(b"/") if folder else []
    for part in parts:
        if rules.excludes_folder(path, part):
            return True
        path = os.path.join(path, part)
    return False


def _next_chunk(
    waiting: list[bytes], done: Collection[bytes], known: Callable[[bytes], Mapping[bytes, FileStat]]
) -> dict[bytes, Mapping[bytes, FileStat]]:
    """Take some folders from the end of `waiting`, each with the photos that the index knows in it."""
    chunk: dict[bytes, Mapping[bytes, FileStat]] = {}
    photos = 0
    while waiting and len(chunk) < _CHUNK_FOLDERS and photos < _CHUNK_PHOTOS:
        folder = waiting.pop()
        if folder not in done and folder not in chunk:
            chunk[folder] = known(folder)
            photos += len(chunk[folder])
    return chunk


def _is_lost(folder: bytes, alive: set[bytes], listed: set[bytes], missing: set[bytes]) -> bool:
    """Whether `folder` or one above it is missing, or was not where the nearest one listed should have it."""
    at = folder
    while at not in alive:
        if at in missing:
            return True
        if not at:
            return False
        at = os.path.dirname(at)
    return at != folder and at in listed


def _identity(root: bytes) -> tuple[int, int]:
    try:
        status = disk_calls.call(root, lambda: os.stat(root))
    except NotAnswering as error:
        raise RootOffline(str(error)) from None
    except OSError as error:
        raise RootOffline(f"{os.fsdecode(root)} cannot be seen: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise RootOffline(f"{os.fsdecode(root)} is not a folder")
    return status.st_dev, status.st_ino


def _unswapped(root: bytes, identity: tuple[int, int]) -> None:
    if _identity(root) != identity:
        raise RootOffline(f"{os.fsdecode(root)} was replaced while it was scanned")
