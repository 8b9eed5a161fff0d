"""A folder on disk against what is known of it -> changes. The one way by which photos are noticed.

Events are hints; this is the truth, and it is asked often: nothing is built for a file that did not
change. Symlinks are not followed, neither to files nor to folders (the watched folder itself may be
one), so that no loop can arise and no photo is met twice; FIFOs, sockets and devices are passed over.
A folder that holds a `.nomedia` counts as not there, with all that lies below it.

Absence is not deletion: a folder that cannot be listed keeps what is known of it, and a watched folder
that is missing, or was swapped while it was read, ends the scan with `RootOffline`.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from imgret.errors import ImgretError
from imgret.exclude import NOMEDIA, Exclude
from imgret.photo import Fingerprint

Stamp = tuple[int, int, int, int]  # a Fingerprint's fields, in its order: cheap to make and to compare
YOUNG_NS = 2_000_000_000  # FAT keeps times to 2 s; every other file system does better


class Change(StrEnum):
    """What a look at one name tells."""

    SAME = "same"
    NEW = "new"
    SUSPECT = "suspect"  # the fingerprint differs: the hash decides
    RACY = "racy"  # as NEW or SUSPECT or even SAME, but so young that a later write may not show: look again
    GONE = "gone"


class RootOffline(ImgretError):
    """The watched folder cannot be seen. Nothing is known to be deleted."""


class Finding(Struct, frozen=True):
    """One name that is not as it was."""

    name: bytes
    change: Change
    fingerprint: Fingerprint | None  # None: gone


class FolderScan(Struct, frozen=True):
    """One folder, listed."""

    folder: bytes  # relative to the root; b"" is the root itself
    pictures: int = 0  # how many lie there now
    findings: tuple[Finding, ...] = ()
    subfolders: tuple[bytes, ...] = ()  # their names; those excluded left out
    problem: str | None = None  # why it could not be listed; then nothing in it is gone


def changed(known: Stamp | None, seen: Stamp | None, now_ns: int) -> Change:
    """What happened to a name, by its fingerprint in the index and on the disk.

    Times within 2 s of `now_ns` are racy: a further write within the clock's tick would leave the same
    fingerprint. Times further ahead (a camera's clock, a clock set back) say nothing and are believed.
    """
    if seen is None:
        return Change.SAME if known is None else Change.GONE
    if -YOUNG_NS < now_ns - seen[2] < YOUNG_NS or -YOUNG_NS < now_ns - seen[1] < YOUNG_NS:
        return Change.RACY
    if known is None:
        return Change.NEW
    return Change.SAME if seen == known else Change.SUSPECT


def scan(
    root: bytes,
    known: Callable[[bytes], Mapping[bytes, Stamp]],
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
    missing.update(folder for folder in waiting if not _may_enter(root, folder, rules))
    while waiting:
        folder = waiting.pop()
        if folder in listed or folder in missing:
            continue
        result = _listed(root, folder, known(folder), rules, time.time_ns() if now_ns is None else now_ns)
        if result is None:
            missing.add(folder)
            alive.discard(folder)
            continue
        alive.add(folder)
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


def _may_enter(root: bytes, folder: bytes, rules: Exclude) -> bool:
    """Whether a walk from the root would come to `folder`: nothing on the way excluded or a symlink."""
    path, parts = b"", folder.split(b"/") if folder else []
    for part in parts:
        if rules.excludes_folder(path, part):
            return False
        if os.path.lexists(os.path.join(root, path, NOMEDIA)) and rules.passes_over(path):
            return False
        path = os.path.join(path, part)
        if os.path.islink(os.path.join(root, path)):
            return False
    return True


def _listed(
    root: bytes, folder: bytes, known: Mapping[bytes, Stamp], rules: Exclude, now_ns: int
) -> FolderScan | None:
    """One folder; None if it does not exist, or is passed over for its `.nomedia`."""
    findings: list[Finding] = []
    subfolders: list[bytes] = []
    met: set[bytes] = set()
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                name = entry.name
                if name == NOMEDIA and rules.passes_over(folder):
                    return None
                if not entry.is_file(follow_symlinks=False):
                    if entry.is_dir(follow_symlinks=False) and not rules.excludes_folder(folder, name):
                        subfolders.append(name)
                    continue
                if rules.excludes_file(folder, name):
                    continue
                try:
                    s = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # deleted since the folder was read
                    continue
                met.add(name)
                seen = (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)
                change = changed(known.get(name), seen, now_ns)
                if change is not Change.SAME:
                    findings.append(Finding(name, change, Fingerprint(*seen)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        where = os.fsdecode(os.path.join(root, folder))
        return FolderScan(folder, problem=f"{where} cannot be listed: {error.strerror or error}")
    if len(met) < len(known) or not met >= known.keys():
        findings += (Finding(name, Change.GONE, None) for name in known if name not in met)
    return FolderScan(folder, len(met), tuple(findings), tuple(sorted(subfolders)))


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
        status = os.stat(root)
    except OSError as error:
        raise RootOffline(f"{os.fsdecode(root)} cannot be seen: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise RootOffline(f"{os.fsdecode(root)} is not a folder")
    return status.st_dev, status.st_ino


def _unswapped(root: bytes, identity: tuple[int, int]) -> None:
    if _identity(root) != identity:
        raise RootOffline(f"{os.fsdecode(root)} was replaced while it was scanned")
