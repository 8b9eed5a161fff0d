"""Compare a folder tree on disk with the index and report the differences.

File system events only trigger a scan; the scan alone decides what changed. It runs often, so it creates no
object for an unchanged file. Symlinks to files or folders are not followed (the watched folder itself may be
one), which prevents loops and duplicates; FIFOs, sockets and devices are ignored. A folder that contains a
`.nomedia` is treated as missing, with everything below it.

An unreadable entry or folder is reported and does not affect the others.

A missing file is not always a deleted one: the files of a folder that cannot be listed stay in the index, and a
watched folder that is missing, or is replaced during the scan, ends it with `RootOffline`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from imgret import disk_calls
from imgret.disk_calls import NotResponding
from imgret.exclude import Exclude, is_sidecar
from imgret.listing import (
    Change,
    Finding,
    FolderScan,
    RootOffline,
    below_nomedia,
    list_folders,
    unreadable_root,
)
from imgret.photo import FileStat

_CHUNK_FOLDERS = 64  # listed by one thread; starting a thread for each folder would be slow
_CHUNK_PHOTOS = 10_000  # about this many rows of the index are in memory at a time


def scan(
    root: bytes,
    known: Callable[[bytes], Mapping[bytes, FileStat]],
    rules: Exclude,
    *,
    folders: Iterable[bytes] = (b"",),
    recursive: bool = True,
    known_folders: Collection[bytes] = (),
    offline: Collection[bytes] = (),
    now_ns: int | None = None,
) -> Iterator[FolderScan]:
    """List `folders` (relative to `root`), and with `recursive` all folders below them, each once.

    `known(folder)` returns the photos and sidecars that the index has directly in a folder, as name -> FileStat.
    `known_folders` are all folders of this root with photos or sidecars in the index: those that no longer exist are yielded
    last, with every photo missing. Folders at or below `offline`, on disks that are unavailable, are not listed
    and their photos are not reported as missing. `now_ns` is the wall clock; None: it is read for each folder.

    Apply the deletions of a pass after its additions, so that a moved photo is recognized at its new path.

    Raises RootOffline, possibly after some results: those are valid except for missing files.
    """
    identity = _identity(root)
    existing: set[bytes] = set(offline)  # listed or not
    listed: set[bytes] = set()
    missing: set[bytes] = set()
    waiting = sorted((folder for folder in set(folders) if not _is_offline(folder, offline)), reverse=True)
    missing.update(folder for folder in waiting if _is_excluded(folder, rules))
    missing |= below_nomedia(root, [folder for folder in waiting if folder not in missing], rules)
    while waiting:
        chunk = _next_chunk(waiting, listed | missing, known)
        for folder, result in list_folders(root, chunk, rules, now_ns, waiting):
            if result is None:
                missing.add(folder)
                existing.discard(folder)
                continue
            existing.add(folder)
            existing.update(os.path.join(folder, name) for name in result.uncertain)
            if result.problem is None:
                listed.add(folder)
            below = [os.path.join(folder, name) for name in result.subfolders]
            if recursive:
                waiting += reversed([path for path in below if path not in offline] if offline else below)
            existing.update(below)
            if any(each.change is Change.MISSING for each in (*result.findings, *result.sidecars)):
                _check_not_replaced(root, identity)
            yield result
    missing.update(each for each in known_folders if _is_missing(each, existing, listed, missing))
    for folder in sorted(missing):
        _check_not_replaced(root, identity)
        findings = [Finding(name, Change.MISSING, None) for name in known(folder)]
        yield FolderScan(
            folder,
            findings=tuple(each for each in findings if not is_sidecar(each.name)),
            sidecars=tuple(each for each in findings if is_sidecar(each.name)),
        )


def _is_offline(folder: bytes, offline: Collection[bytes]) -> bool:
    return any(folder == each or folder.startswith(each + b"/") for each in offline)


def _is_excluded(folder: bytes, rules: Exclude) -> bool:
    """Return whether the name of `folder` or of a folder above it is excluded."""
    path, parts = b"", folder.split(b"/") if folder else []
    for part in parts:
        if rules.excludes_folder(path, part):
            return True
        path = os.path.join(path, part)
    return False


def _next_chunk(
    waiting: list[bytes], done: Collection[bytes], known: Callable[[bytes], Mapping[bytes, FileStat]]
) -> dict[bytes, Mapping[bytes, FileStat]]:
    """Take some folders from the end of `waiting`, each with its photos in the index."""
    chunk: dict[bytes, Mapping[bytes, FileStat]] = {}
    photos = 0
    while waiting and len(chunk) < _CHUNK_FOLDERS and photos < _CHUNK_PHOTOS:
        folder = waiting.pop()
        if folder not in done and folder not in chunk:
            chunk[folder] = known(folder)
            photos += len(chunk[folder])
    return chunk


def _is_missing(folder: bytes, existing: set[bytes], listed: set[bytes], missing: set[bytes]) -> bool:
    """Return whether `folder` or a folder above it is missing, or is absent from the listing of its parent."""
    at = folder
    while at not in existing:
        if at in missing:
            return True
        if not at:
            return False
        at = os.path.dirname(at)
    return at != folder and at in listed


def _identity(root: bytes) -> tuple[int, int]:
    try:
        status = disk_calls.call(root, lambda: os.stat(root))
    except NotResponding as error:
        raise RootOffline(str(error)) from None
    except OSError as error:
        raise unreadable_root(root, error) from None
    if not stat.S_ISDIR(status.st_mode):
        raise RootOffline(f"{os.fsdecode(root)} is not a folder")
    return status.st_dev, status.st_ino


def _check_not_replaced(root: bytes, identity: tuple[int, int]) -> None:
    if _identity(root) != identity:
        raise RootOffline(f"{os.fsdecode(root)} was replaced by another folder during the scan")
