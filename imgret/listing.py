"""One folder on disk against what is known of it, read so that whatever is odd costs itself alone.

Folders are opened by descriptor and listed in a thread that is given up when the disk does not answer. An entry
that cannot be looked at costs itself, a folder that does not answer costs itself, and both are reported.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Collection, Mapping
from enum import StrEnum

from msgspec import Struct

from imgret.disk_calls import DiskCall, NotAnswering, is_stuck
from imgret.errors import ImgretError
from imgret.exclude import NOMEDIA, Exclude
from imgret.photo import FileStat, file_stat_of
from imgret.safe_open import Descent

_ENCODING, _ESCAPES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_MOST_FAULTS = 5  # entries of one folder that are reported one by one
YOUNG_NS = 2_000_000_000  # FAT keeps times to 2 s; every other file system does better


class Change(StrEnum):
    """What a look at one name tells."""

    SAME = "same"
    NEW = "new"
    SUSPECT = "suspect"  # the file status differs: the hash decides
    RACY = "racy"  # as NEW or SUSPECT or even SAME, but so young that a later write may not show: look again
    GONE = "gone"


class RootOffline(ImgretError):
    """The watched folder cannot be seen. Nothing is known to be deleted."""


class Finding(Struct, frozen=True):
    """One name that is not as it was."""

    name: bytes
    change: Change
    file_stat: FileStat | None  # None: gone


class FolderScan(Struct, frozen=True):
    """One folder, listed."""

    folder: bytes  # relative to the root; b"" is the root itself
    pictures: int = 0  # how many lie there now
    findings: tuple[Finding, ...] = ()
    subfolders: tuple[bytes, ...] = ()  # their names; those excluded left out
    problem: str | None = None  # why it could not be listed, or only halfway; then nothing in it is gone
    uncertain: tuple[bytes, ...] = ()  # names that are there, and may be files or folders: see `faults`
    faults: tuple[str, ...] = ()  # sentences: entries that could not be looked at


def changed(known: FileStat | None, seen: FileStat | None, now_ns: int) -> Change:
    """What happened to a name, by its file status in the index and on the disk.

    Times within 2 s of `now_ns` are racy: a further write within the clock's tick would leave the same
    file_stat. Times further ahead (a camera's clock, a clock set back) say nothing and are believed.
    """
    if seen is None:
        return Change.SAME if known is None else Change.GONE
    if -YOUNG_NS < now_ns - seen[2] < YOUNG_NS or -YOUNG_NS < now_ns - seen[1] < YOUNG_NS:
        return Change.RACY
    if known is None:
        return Change.NEW
    return Change.SAME if seen == known else Change.SUSPECT


def list_folders(
    root: bytes,
    chunk: dict[bytes, Mapping[bytes, FileStat]],
    rules: Exclude,
    now_ns: int | None,
    waiting: list[bytes],
) -> list[tuple[bytes, FolderScan | None]]:
    """List some folders in a thread that is given up when the disk does not answer.

    The folder that it was given up for becomes a problem; those behind it are put back into `waiting`.
    """
    results: list[tuple[bytes, FolderScan | None]] = []

    def job(call: DiskCall[None]) -> None:
        with Descent(root) as descent:
            for folder, known in chunk.items():
                path = os.path.join(root, folder)
                call.touch(path)
                if is_stuck(root, path):  # asked before, and it has not answered yet
                    results.append((folder, _unlistable(NotAnswering(path), root, folder)))
                    continue
                now = time.time_ns() if now_ns is None else now_ns
                listed = _listed(descent, root, folder, known, rules, now)
                call.touch()  # a thread that was given up adds nothing more
                results.append((folder, listed))

    try:
        DiskCall(root, root, job).result()
    except NotAnswering as error:
        if error.path == root:  # the root itself: a folder's path, that of b"" too, has a slash after it
            raise RootOffline(str(error)) from None
        results = list(results)  # the thread that was given up keeps the other list
        answered = {folder for folder, _ in results}
        stuck, *behind = [folder for folder in chunk if folder not in answered]
        results.append((stuck, _unlistable(error, root, stuck)))
        waiting += reversed(behind)
    except OSError as error:
        raise RootOffline(f"{os.fsdecode(root)} cannot be seen: {error.strerror or error}") from None
    return results


def _listed(
    descent: Descent, root: bytes, folder: bytes, known: Mapping[bytes, FileStat], rules: Exclude, now_ns: int
) -> FolderScan | None:
    """One folder; None if it does not exist, or is passed over for its `.nomedia`. Whatever goes wrong costs one entry, or this one folder."""
    findings: list[Finding] = []
    subfolders: list[bytes] = []
    uncertain: list[bytes] = []
    faults: list[str] = []
    met: set[bytes] = set()
    problem: str | None = None
    known_of, excludes, settled = known.get, rules.excludes_file, now_ns - YOUNG_NS
    try:
        with os.scandir(descent.folder(folder)) as entries:
            for entry in entries:
                name = entry.name.encode(_ENCODING, _ESCAPES)  # os.fsencode takes four times as long
                if name == NOMEDIA and rules.passes_over(folder):
                    return None
                try:
                    if not entry.is_file(follow_symlinks=False):
                        if entry.is_dir(follow_symlinks=False) and not rules.excludes_folder(folder, name):
                            subfolders.append(name)
                        continue
                    if excludes(folder, name):
                        continue
                    seen = file_stat_of(entry.stat(follow_symlinks=False))
                except FileNotFoundError:  # deleted since the folder was read
                    continue
                except PermissionError:  # then no entry of this folder may be looked at
                    raise
                except OSError as error:
                    uncertain.append(name)
                    faults.append(f"{_shown(root, folder, name)} cannot be read: {error.strerror or error}")
                    continue
                met.add(name)
                if seen == known_of(name) and seen[1] <= settled >= seen[2]:
                    continue  # nearly all, and what `changed` would say
                change = changed(known_of(name), seen, now_ns)
                if change is not Change.SAME:
                    findings.append(Finding(name, change, seen))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:
        unlistable = _unlistable(error, root, folder)
        if isinstance(error, PermissionError) or not (met or subfolders):
            return unlistable
        problem = unlistable.problem  # it was read halfway: what was met is kept, nothing is gone
    if problem is None and (len(met) < len(known) or not met >= known.keys()):
        there = met.union(uncertain)
        findings += (Finding(name, Change.GONE, None) for name in known if name not in there)
    if len(faults) > _MOST_FAULTS:
        more = len(faults) - _MOST_FAULTS
        faults[_MOST_FAULTS:] = [f"{_shown(root, folder)}: {more} more entries cannot be read"]
    return FolderScan(
        folder, len(met), tuple(findings), tuple(sorted(subfolders)), problem, tuple(uncertain), tuple(faults)
    )


def below_nomedia(root: bytes, folders: Collection[bytes], rules: Exclude) -> set[bytes]:
    """Those of the folders that lie below one with a `.nomedia`. Raises RootOffline."""
    found: set[bytes] = set()

    def job(call: DiskCall[None]) -> None:
        with Descent(root) as descent:
            for folder in folders:
                parts = folder.split(b"/") if folder else []
                for above in (b"/".join(parts[:depth]) for depth in range(len(parts))):
                    call.touch(os.path.join(root, above))
                    if not rules.passes_over(above):
                        continue
                    with contextlib.suppress(OSError):
                        os.stat(NOMEDIA, dir_fd=descent.folder(above), follow_symlinks=False)
                        found.add(folder)

    try:
        if any(folders):
            DiskCall(root, root, job).result()
    except NotAnswering as error:
        if error.path == root:
            raise RootOffline(str(error)) from None
    except OSError as error:
        raise RootOffline(f"{os.fsdecode(root)} cannot be seen: {error.strerror or error}") from None
    return set(found)


def _unlistable(error: Exception, root: bytes, folder: bytes) -> FolderScan:
    if isinstance(error, NotAnswering):
        return FolderScan(folder, problem=NotAnswering(os.fsencode(_shown(root, folder))).advice)
    why = (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__} {error}"
    return FolderScan(folder, problem=f"{_shown(root, folder)} cannot be listed: {why}".rstrip())


def _shown(root: bytes, *inside: bytes) -> str:
    return os.fsdecode(os.path.join(root, *inside)).rstrip("/") or "/"


def look_at(root: bytes, files: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes, FileStat]]:
    """The stamps of some files, each (folder, name); those that cannot be looked at are left out.

    Raises RootOffline when the root cannot be opened, NotAnswering when its disk does not answer.
    """
    found: list[tuple[bytes, bytes, FileStat]] = []

    def job(call: DiskCall[None]) -> None:
        with Descent(root) as descent:
            for folder, name in files:
                path = os.path.join(root, folder, name)
                if is_stuck(root, path):
                    continue
                call.touch(path)
                with contextlib.suppress(OSError):
                    status = os.stat(name, dir_fd=descent.folder(folder), follow_symlinks=False)
                    found.append((folder, name, file_stat_of(status)))

    try:
        if files:
            DiskCall(root, root, job).result()
    except NotAnswering as error:
        if error.path == root:
            raise
    except OSError as error:
        raise RootOffline(f"{os.fsdecode(root)} cannot be seen: {error.strerror or error}") from None
    return list(found)
