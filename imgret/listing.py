"""Compare folders on disk with the index. An unreadable entry or folder is reported and does not affect others.

Folders are opened by descriptor and listed in a thread that is abandoned if the disk does not respond.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Mapping
from enum import StrEnum

from msgspec import Struct

from imgret.disk_calls import DiskCall, NotResponding, is_stuck
from imgret.errors import ImgretError
from imgret.exclude import NOMEDIA, Exclude, is_sidecar
from imgret.limits import ignored, shortage
from imgret.photo import FileStat, file_stat_of
from imgret.safe_open import Descent

_ENCODING, _ESCAPES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_MOST_FAULTS = 5  # unreadable entries of one folder that are reported individually
YOUNG_NS = 2_000_000_000  # the resolution of timestamps on FAT, the coarsest of all file systems


class Change(StrEnum):
    """How a file on disk differs from its row in the index."""

    SAME = "same"
    NEW = "new"
    SUSPECT = "suspect"  # the FileStat differs: only a hash shows whether the file changed
    RACY = "racy"  # modified so recently that a further write may leave the FileStat as it is: scan again
    MISSING = "missing"


class RootOffline(ImgretError):
    """The watched folder is not available. Missing files must not be treated as deleted."""


class Finding(Struct, frozen=True):
    """A file that differs from its row in the index."""

    name: bytes
    change: Change
    file_stat: FileStat | None  # None if the file is missing


class FolderScan(Struct, frozen=True):
    """The result of listing one folder."""

    folder: bytes  # relative to the root; b"" is the root itself
    photos: int = 0  # the number of image files in it
    findings: tuple[Finding, ...] = ()
    sidecars: tuple[Finding, ...] = ()  # files that describe photos, see `imgret.sidecar_names`
    subfolders: tuple[bytes, ...] = ()  # names, without the excluded ones
    problem: str | None = None  # why it was not listed completely; missing files are then not reported
    uncertain: tuple[bytes, ...] = ()  # names of entries whose type is unknown, see `faults`
    faults: tuple[str, ...] = ()  # messages about entries that could not be read


def changed(known: FileStat | None, seen: FileStat | None, now_ns: int) -> Change:
    """Compare the FileStat in the index (`known`) with the one on disk (`seen`); None means no such file.

    A file modified within 2 s of `now_ns` is RACY: a second write in the same clock tick would leave the same
    FileStat. Times further in the future (a wrong camera clock, a clock that was set back) are accepted.
    """
    if seen is None:
        return Change.SAME if known is None else Change.MISSING
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
    """List the folders of `chunk` in a thread that is abandoned if the disk does not respond.

    Returns a FolderScan for each folder, None for one that does not exist or is excluded by a `.nomedia`. The
    folder that did not respond gets a problem, and the folders after it are put back into `waiting`. Raises
    RootOffline.
    """
    results: list[tuple[bytes, FolderScan | None]] = []

    def job(call: DiskCall[None]) -> None:
        with Descent(root) as descent:
            for folder, known in chunk.items():
                path = os.path.join(root, folder)
                call.touch(path)
                if is_stuck(root, path):  # an earlier call is still blocked on it
                    results.append((folder, _unlistable(NotResponding(path), root, folder)))
                    continue
                now = time.time_ns() if now_ns is None else now_ns
                listed = _listed(descent, root, folder, known, rules, now)
                call.touch()  # ends an abandoned thread before it adds a result
                results.append((folder, listed))

    try:
        DiskCall(root, root, job).result()
    except NotResponding as error:
        if error.path == root:  # opening the root blocked: paths of folders, even of b"", end after a slash
            raise RootOffline(str(error)) from None
        results = list(results)  # a copy, because the abandoned thread still has the list
        listed = {folder for folder, _ in results}
        left = [folder for folder in chunk if folder not in listed]
        if left:  # else closing the last folder did not return
            results.append((left[0], _unlistable(error, root, left[0])))
            waiting += reversed(left[1:])
    except OSError as error:
        raise unreadable_root(root, error) from None
    return results


def _listed(
    descent: Descent, root: bytes, folder: bytes, known: Mapping[bytes, FileStat], rules: Exclude, now_ns: int
) -> FolderScan | None:
    """List one folder; None if it does not exist or is excluded by a `.nomedia`. Errors become `problem` or `faults`."""
    findings: list[Finding] = []
    sidecars = 0
    subfolders: list[bytes] = []
    uncertain: list[bytes] = []
    faults: list[str] = []
    present: set[bytes] = set()
    problem: str | None = None
    known_of, excludes, settled = known.get, rules.excludes_file, now_ns - YOUNG_NS
    try:
        with os.scandir(descent.folder(folder)) as entries:
            for entry in entries:
                name = entry.name.encode(_ENCODING, _ESCAPES)  # os.fsencode takes four times as long
                if name == NOMEDIA and rules.respects_nomedia(folder):
                    return None
                try:
                    if not entry.is_file(follow_symlinks=False):
                        if entry.is_dir(follow_symlinks=False) and not rules.excludes_folder(folder, name):
                            subfolders.append(name)
                        continue
                    if excludes(folder, name):
                        if rules.excludes_sidecar(folder, name):
                            continue
                        sidecars += 1
                    seen = file_stat_of(entry.stat(follow_symlinks=False))
                except FileNotFoundError:  # deleted after the folder was read
                    continue
                except PermissionError:  # applies to all entries of this folder
                    raise
                except OSError as error:
                    uncertain.append(name)
                    faults.append(f"{_shown(root, folder, name)} cannot be read: {error.strerror or error}")
                    continue
                present.add(name)
                if seen == known_of(name) and seen[1] <= settled >= seen[2]:
                    continue  # a shortcut with the result of `changed`, for nearly all files
                change = changed(known_of(name), seen, now_ns)
                if change is not Change.SAME:
                    findings.append(Finding(name, change, seen))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:
        unlistable = _unlistable(error, root, folder)
        if isinstance(error, PermissionError) or not (present or subfolders):
            return unlistable
        problem = unlistable.problem  # listed in part: use what was read, and report nothing as missing
    if problem is None and (len(present) < len(known) or not present >= known.keys()):
        existing = present.union(uncertain)
        findings += (Finding(name, Change.MISSING, None) for name in known if name not in existing)
    if len(faults) > _MOST_FAULTS:
        more = len(faults) - _MOST_FAULTS
        faults[_MOST_FAULTS:] = [f"{_shown(root, folder)}: {more} more entries cannot be read"]
    photos = len(present) - sidecars
    if not photos:  # files with these suffixes that describe no photo
        findings = [each for each in findings if each.change is Change.MISSING or not is_sidecar(each.name)]
    return FolderScan(
        folder,
        photos,
        tuple(each for each in findings if not is_sidecar(each.name)),
        tuple(each for each in findings if is_sidecar(each.name)),
        tuple(sorted(subfolders)),
        problem,
        tuple(uncertain),
        tuple(faults),
    )


def below_nomedia(root: bytes, folders: Collection[bytes], rules: Exclude) -> set[bytes]:
    """Return those of `folders` that are below a folder excluded by a `.nomedia`. Raises RootOffline."""
    found: set[bytes] = set()

    def job(call: DiskCall[None]) -> None:
        with Descent(root) as descent:
            for folder in folders:
                parts = folder.split(b"/") if folder else []
                for above in (b"/".join(parts[:depth]) for depth in range(len(parts))):
                    call.touch(os.path.join(root, above))
                    if not rules.respects_nomedia(above):
                        continue
                    with ignored(OSError):
                        os.stat(NOMEDIA, dir_fd=descent.folder(above), follow_symlinks=False)
                        found.add(folder)

    try:
        if any(folders):
            DiskCall(root, root, job).result()
    except NotResponding as error:
        if error.path == root:
            raise RootOffline(str(error)) from None
    except OSError as error:
        raise unreadable_root(root, error) from None
    return set(found)


def unreadable_root(root: bytes, error: OSError) -> ImgretError:
    """Return the error to raise for a root that cannot be opened: Shortage if no descriptor was left, else RootOffline."""
    return shortage(error) or RootOffline(f"{os.fsdecode(root)} cannot be read: {error.strerror or error}")


def _unlistable(error: Exception, root: bytes, folder: bytes) -> FolderScan:
    """Return a scan that reports the folder as unlistable. Raises Shortage: the folder is scanned again then."""
    if isinstance(error, OSError) and (short := shortage(error)) is not None:
        raise short from error
    if isinstance(error, NotResponding):
        return FolderScan(folder, problem=NotResponding(os.fsencode(_shown(root, folder))).advice)
    why = (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__} {error}"
    return FolderScan(folder, problem=f"{_shown(root, folder)} cannot be listed: {why}".rstrip())


def _shown(root: bytes, *inside: bytes) -> str:
    return os.fsdecode(os.path.join(root, *inside)).rstrip("/") or "/"


def stat_files(root: bytes, files: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes, FileStat]]:
    """Return (folder, name, FileStat) for some files, each given as (folder, name); unreadable ones are omitted.

    Raises RootOffline if the root cannot be opened, NotResponding if its disk does not respond.
    """
    found: list[tuple[bytes, bytes, FileStat]] = []

    def job(call: DiskCall[None]) -> None:
        with Descent(root) as descent:
            for folder, name in files:
                path = os.path.join(root, folder, name)
                if is_stuck(root, path):
                    continue
                call.touch(path)
                with ignored(OSError):
                    status = os.stat(name, dir_fd=descent.folder(folder), follow_symlinks=False)
                    found.append((folder, name, file_stat_of(status)))

    try:
        if files:
            DiskCall(root, root, job).result()
    except NotResponding as error:
        if error.path == root:
            raise
    except OSError as error:
        raise unreadable_root(root, error) from None
    return list(found)
