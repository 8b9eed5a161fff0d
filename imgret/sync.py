"""Bring the index's paths up to date with a folder on disk, and queue what there is to describe.

The scan says what is suspicious; here the hash decides. Additions come before deletions, so that a
moved photo is met before it is missed; deletions are tombstones; and a root that is away is marked
offline, which deletes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from imgret import disks
from imgret.config import Settings
from imgret.describe.fingerprint import PhotoGone
from imgret.describe.hash_many import Hash, Read, hash_many
from imgret.diskcalls import NotAnswering
from imgret.errors import ImgretError, PhotoError
from imgret.exclude import Exclude
from imgret.index import edits, photos, results, roots, work
from imgret.index.connection import Index
from imgret.index.roots import Root
from imgret.listing import Change, FolderScan, RootOffline, look_at
from imgret.mounts import root_health, root_identity
from imgret.photo import Fingerprint, Stage
from imgret.scan import scan

COMMIT = 256  # files a transaction


class Synced(Struct):
    """What a pass found, in files."""

    seen: int = 0
    new: int = 0  # contents that the index did not know
    moved: int = 0  # new paths of known contents: moves, renames, copies, and files that came back
    changed: int = 0  # other bytes at a known path
    gone: int = 0
    unreadable: int = 0
    racy: set[bytes] = set()  # folders with files so young that they must be looked at again in 2 s
    problems: list[str] = []  # sentences: folders that cannot be listed, files that cannot be read
    troubled: dict[bytes, list[str]] = {}  # those of `problems` that the scan had, by folder
    offline: str | None = None  # why the root is away
    removed: bool = False  # somebody removed the root during the pass: nothing more was saved


class _RootRemoved(Exception):
    """The root is no more, or part of another one."""


class _Found(Struct, frozen=True):
    folder: bytes
    name: bytes
    change: Change
    fingerprint: Fingerprint


def add_root(index: Index, path: bytes, *, watched: bool | None = None) -> tuple[Root, bytes]:
    """The root that is or holds the folder `path`, made if need be, and the folder relative to it."""
    enclosing = roots.enclosing(index, path)
    if enclosing is not None and (enclosing[1] == b"" or watched is None):
        root, inside = enclosing
        if watched is not None:
            root = roots.add(index, root.path, watched=watched)
        return root, inside
    return roots.add(index, path, watched=watched), b""


def sync(
    index: Index,
    settings: Settings,
    root: Root,
    *,
    folders: Collection[bytes] = (b"",),
    recursive: bool = True,
    on_progress: Callable[[int], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Synced:
    """Look at `folders` of a root (relative to it) and make the index true.

    `on_progress` is told how many files were seen. When `stopped`, what was found is kept and nothing
    is deleted. A root that was away is looked at as a whole: what happened meanwhile, no event has told.
    """
    outcome = Synced()
    if not root.online:
        folders, recursive = (b"",), True
    known_photos = photos.any_known(index, root.id)
    health = root_health(root.path, root.filesystem, photos=known_photos)
    if not health.online:
        return _offline(index, root, outcome, health.reason or "it is away")
    filesystem = root_identity(root.path) or root.filesystem
    if not root.online or filesystem != root.filesystem:  # each commit wakes whoever waits for one
        roots.mark_online(index, root.id, filesystem)
    root = replace(root, filesystem=filesystem)
    gone: list[tuple[bytes, list[bytes]]] = []
    try:
        _take_in(
            index,
            settings,
            root,
            _found(index, settings, root, folders, recursive, gone, outcome, on_progress),
            outcome,
            stopped,
        )
        if stopped():
            return outcome
        if gone:
            health = root_health(root.path, root.filesystem, photos=known_photos)
            if not health.online:
                return _offline(index, root, outcome, health.reason or "it is away")
            away = disks.away_below(index, root)
            gone = [each for each in gone if not disks.lies_in(each[0], away)]
    except (RootOffline, NotAnswering) as error:
        return _offline(index, root, outcome, str(error))
    except _RootRemoved:
        outcome.removed = True
        return outcome
    full = recursive and b"" in folders
    if not gone and not full:
        return outcome
    with index.writing():
        if not roots.is_active(index, root.id):
            outcome.removed = True
            return outcome
        outcome.gone += _bury(index, root, gone)
        if full:
            roots.mark_scanned(index, root.id, int(time.time()))
    return outcome


def _found(
    index: Index,
    settings: Settings,
    root: Root,
    folders: Collection[bytes],
    recursive: bool,  # noqa: FBT001
    gone: list[tuple[bytes, list[bytes]]],
    outcome: Synced,
    on_progress: Callable[[int], None],
) -> Iterator[_Found]:
    """The files to be read; those that are gone are put aside in `gone`."""
    rules = Exclude(settings.exclude, hidden=settings.hidden)
    met: set[tuple[bytes, bytes]] = set()
    known_folders: set[bytes] = set()
    away = disks.away_below(index, root)
    if recursive:
        known_folders.update(*(photos.known_folders(index, root.id, each) for each in folders))
    scans: Iterable[FolderScan] = scan(
        root.path,
        lambda folder: photos.known(index, root.id, folder),
        rules,
        folders=folders,
        recursive=recursive,
        known_folders=known_folders,
        away=away,
    )
    for each in scans:
        outcome.seen += each.pictures
        on_progress(outcome.seen)
        sentences = ([each.problem] if each.problem else []) + list(each.faults)
        if sentences:
            outcome.troubled[each.folder] = sentences
            outcome.problems += sentences
        lost = [finding.name for finding in each.findings if finding.change is Change.GONE]
        if lost and not disks.lies_in(each.folder, disks.away_below(index, root)):
            gone.append((each.folder, lost))
        for finding in each.findings:
            if finding.fingerprint is not None:
                met.add((each.folder, finding.name))
                if finding.change is Change.RACY:
                    outcome.racy.add(each.folder)
                yield _Found(each.folder, finding.name, finding.change, finding.fingerprint)
    due = [
        (folder, name)
        for folder, name in photos.due_unreadable(index, root.id, int(time.time()))
        if (folder, name) not in met and not disks.lies_in(folder, away)
    ]
    for folder, name, seen in look_at(root.path, due):
        yield _Found(folder, name, Change.SUSPECT, Fingerprint(*seen))


def _take_in(
    index: Index,
    settings: Settings,
    root: Root,
    found: Iterator[_Found],
    outcome: Synced,
    stopped: Callable[[], bool],
) -> None:
    """Hash what was found, and save it a transaction's worth at a time."""

    stages = settings.stages()
    for some, hashes in hash_many(root.path, found, COMMIT, stopped):
        if any(isinstance(read_as, PhotoError) for read_as in hashes):
            _still_there(root)
        files = list(zip(some, hashes, strict=True))
        try:
            _save(index, root, files, stages, outcome)
        except (ImgretError, _RootRemoved):
            raise
        except Exception:  # nothing of this batch was saved: find the file that it is about
            for each in files:
                try:
                    _save(index, root, [each], stages, outcome)
                except (ImgretError, _RootRemoved):
                    raise
                except Exception as error:
                    name = os.fsdecode(roots.join(root.path, each[0].folder, each[0].name))
                    outcome.problems.append(f"{name} cannot be indexed: {type(error).__name__} {error}")


def _save(
    index: Index,
    root: Root,
    files: list[tuple[_Found, Read]],
    stages: Collection[Stage],
    outcome: Synced,
) -> None:
    """Save these files in one transaction."""
    renamed: set[int] = set()
    with index.writing():
        if not roots.is_active(index, root.id):
            raise _RootRemoved
        for each, read_as in files:
            if isinstance(read_as, PhotoGone):
                outcome.racy.add(each.folder)  # it came and went: the next look knows better
            elif isinstance(read_as, PhotoError):
                _keep_unreadable(index, root, each, read_as, outcome)
            else:
                renamed |= _keep(index, root, each, read_as, stages, outcome)
        for content in renamed:  # once a batch: a thousand copies of one picture are one content
            results.refresh_words(index, content)


def _still_there(root: Root) -> None:
    """Files that cannot be read say nothing of themselves when their disk is gone. Raises RootOffline."""
    health = root_health(root.path, root.filesystem, photos=True)
    if not health.online:
        raise RootOffline(health.reason or "it is away")


def _keep(
    index: Index, root: Root, each: _Found, read_as: Hash, stages: Collection[Stage], outcome: Synced
) -> set[int]:
    """Save one file. -> the contents that lie under other names now."""
    # A file so young that a later write may leave the same fingerprint gets one that no file has: the
    # next look finds it suspicious and asks the hash again.
    fingerprint = (
        replace(each.fingerprint, inode=photos.YOUNG_INODE)
        if each.change is Change.RACY
        else each.fingerprint
    )
    before = photos.content_at(index, root.id, each.folder, each.name)
    content, new = photos.save(
        index,
        root.id,
        each.folder,
        each.name,
        fingerprint,
        read_as.digest,
        int(time.time()),
        read_as.born,
    )
    if content == before:
        return set()
    if new:
        work.queue(index, content, stages)  # its words follow with what comes of decoding it
    if before is not None:
        outcome.changed += 1
    elif new:
        outcome.new += 1
    else:
        outcome.moved += 1
    return ({before} if before is not None else set()) | (set() if new else {content})


def _keep_unreadable(index: Index, root: Root, each: _Found, error: PhotoError, outcome: Synced) -> None:
    now = int(time.time())
    if photos.save_unreadable(index, root.id, each.folder, each.name, each.fingerprint, error.advice, now):
        outcome.unreadable += 1
        outcome.problems.append(error.advice)


def _bury(index: Index, root: Root, gone: list[tuple[bytes, list[bytes]]]) -> int:
    """All of these (folder, names) are tombstones from now on. -> how many were alive."""
    now, buried = int(time.time()), 0
    renamed: set[int | None] = set()
    for folder, names in gone:
        renamed.update(photos.content_at(index, root.id, folder, name) for name in names)
        buried += photos.bury(index, root.id, folder, names, now)
    for content in renamed - {None}:
        assert content is not None
        results.refresh_words(index, content)
        edits.left(index, content)
    return buried


def _offline(index: Index, root: Root, outcome: Synced, reason: str) -> Synced:
    roots.mark_offline(index, root.id, reason)
    outcome.offline = reason
    return outcome
