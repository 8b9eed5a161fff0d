"""Hash the new and changed files found by a scan, and save them to the index in batches.

A file that cannot be saved is reported and does not affect the others. If the root is removed from the index
meanwhile, the pass ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator

from msgspec import Struct

from imgret import photo_metadata
from imgret.config import Settings
from imgret.decode.hash_many import Hash, Read, hash_many
from imgret.decode.hashing import PhotoGone
from imgret.errors import ImgretError, PhotoError
from imgret.exclude import is_sidecar
from imgret.listing import Change, FolderScan, RootOffline
from imgret.mounts import root_health
from imgret.photo import FileStat
from imgret.store import paths, policy
from imgret.store.interface import Store
from imgret.store.records import Root

COMMIT = 256  # files per transaction


class SyncResult(Struct):
    """The result of a pass over folders; all figures are numbers of files."""

    seen: int = 0
    new: int = 0  # files with a content that was not in the index
    moved: int = 0  # new paths of known contents: moved, renamed, copied or restored files
    changed: int = 0  # known paths with a new content
    gone: int = 0  # deleted files
    unreadable: int = 0
    described: int = 0  # photos whose sidecars are new, changed or deleted
    racy: set[bytes] = set()  # folders with files modified so recently that a scan in 2 s is needed
    problems: list[str] = []  # messages about folders that cannot be listed and files that cannot be read
    folder_problems: dict[bytes, list[str]] = {}  # the `problems` found by the scan, by folder
    offline: str | None = None  # why the root is unavailable
    removed: bool = False  # the root was removed from the index during the pass, which ended it


class RootRemoved(Exception):
    """The root was removed from the index, or became part of another one."""


class FoundFile(Struct, frozen=True):
    """A file that may be new or changed, as found by the scan. The folder is relative to the root."""

    folder: bytes
    name: bytes
    change: Change
    file_stat: FileStat


def save_found(
    store: Store,
    settings: Settings,
    root: Root,
    found: Iterator[FoundFile],
    outcome: SyncResult,
    stopped: Callable[[], bool],
) -> None:
    """Hash the found files and save them in batches of COMMIT, adding to the figures of `outcome`.

    Raises RootOffline, RootRemoved and the store's errors.
    """

    stages = settings.stages()
    for some, hashes in hash_many(root.path, found, COMMIT, stopped):
        if any(isinstance(read_as, PhotoError) for read_as in hashes):
            _check_online(root)
        files = list(zip(some, hashes, strict=True))
        try:
            _save(store, settings, root, files, stages, outcome)
        except (ImgretError, RootRemoved):
            raise
        except Exception:  # nothing of this batch was saved: save the files one by one to find the bad one
            for each in files:
                try:
                    _save(store, settings, root, [each], stages, outcome)
                except (ImgretError, RootRemoved):
                    raise
                except Exception as error:
                    name = os.fsdecode(paths.join(root.path, each[0].folder, each[0].name))
                    outcome.problems.append(f"{name} cannot be indexed: {type(error).__name__} {error}")


def save_found_sidecars(
    store: Store, settings: Settings, root: Root, scanned: FolderScan, outcome: SyncResult
) -> None:
    """Save the new and changed sidecars of a folder."""
    found: list[tuple[bytes, FileStat]] = []
    for each in scanned.sidecars:
        if each.file_stat is not None:
            found.append(
                (each.name, _young(each.file_stat) if each.change is Change.RACY else each.file_stat)
            )
            if each.change is Change.RACY:
                outcome.racy.add(scanned.folder)
    if found and store.roots.is_active(root.id):
        outcome.described += photo_metadata.save_sidecars(store, settings, root.id, scanned.folder, found)


def _young(file_stat: FileStat) -> FileStat:
    """Return a FileStat that no file has, so that the next scan looks at the file again.

    A later write may leave the same FileStat on a file that was modified a moment ago.
    """
    return file_stat._replace(inode=policy.YOUNG_INODE)


def _save(
    store: Store,
    settings: Settings,
    root: Root,
    files: list[tuple[FoundFile, Read]],
    stages: Collection[str],
    outcome: SyncResult,
) -> None:
    """Save these files in one transaction, and then add to the figures of `outcome`."""
    found = SyncResult()
    renamed: set[int] = set()
    with store.writing():
        if not store.roots.is_active(root.id):
            raise RootRemoved
        for each, read_as in files:
            if isinstance(read_as, PhotoGone):
                found.racy.add(each.folder)  # it was deleted after the scan: scan again soon
                continue
            if isinstance(read_as, PhotoError):
                changed = _save_unreadable(store, root, each, read_as, found)
            else:
                changed = _save_file(store, root, each, read_as, stages, found)
            renamed |= changed
            if changed and photo_metadata.has_sidecar(store, root.id, each.folder, each.name):
                for content in changed:
                    photo_metadata.queue(store, settings, content)
        for content in renamed:  # once per batch, because many copies of one image are one content
            store.results.refresh_words(content)
            photo_metadata.moved(store, settings, content)
    # Only after the commit: a batch that fails is saved again, file by file.
    outcome.new += found.new
    outcome.moved += found.moved
    outcome.changed += found.changed
    outcome.unreadable += found.unreadable
    outcome.racy |= found.racy
    outcome.problems += found.problems


def _check_online(root: Root) -> None:
    """Raise RootOffline if the root is unavailable: files are then unreadable for that reason."""
    health = root_health(root.path, root.filesystem, photos=True)
    if not health.online:
        raise RootOffline(health.reason or "it is not available")


def _save_file(
    store: Store, root: Root, each: FoundFile, read_as: Hash, stages: Collection[str], outcome: SyncResult
) -> set[int]:
    """Save one file. Returns the contents whose set of file names has changed."""
    file_stat = _young(each.file_stat) if each.change is Change.RACY else each.file_stat
    before = store.photos.content_at(root.id, each.folder, each.name)
    content, new = store.photos.save(
        root.id,
        each.folder,
        each.name,
        file_stat,
        read_as.digest,
        int(time.time()),
        read_as.born,
    )
    if content == before:
        return set()
    if new:
        # Its words are indexed after it is decoded. What the first scan of a root finds did not just arrive.
        request = policy.BACKLOG if root.scanned_at is None else policy.ARRIVED
        store.work.queue(content, stages, request)
    if before is not None:
        outcome.changed += 1
    elif new:
        outcome.new += 1
    else:
        outcome.moved += 1
    return ({before} if before is not None else set()) | (set() if new else {content})


def _save_unreadable(
    store: Store, root: Root, each: FoundFile, error: PhotoError, outcome: SyncResult
) -> set[int]:
    """Save that a file cannot be read. Returns the content of a photo that was deleted and is there again."""
    now = int(time.time())
    place = root.id, each.folder, each.name
    before = store.photos.content_at(*place)
    if not store.photos.save_unreadable(*place, each.file_stat, error.advice, now):
        return set()
    outcome.unreadable += 1
    outcome.problems.append(error.advice)
    content = store.photos.content_at(*place)
    return set() if content in (None, before) else {content}


def mark_deleted(
    store: Store, settings: Settings, root: Root, missing: list[tuple[bytes, list[bytes]]]
) -> int:
    """Turn these photos, given as (folder, names), into tombstones, and forget sidecars among them.

    Returns how many photos were not tombstones before.
    """
    now, deleted = int(time.time()), 0
    renamed: set[int | None] = set()
    for folder, names in missing:
        photos = [name for name in names if not is_sidecar(name)]
        for name in photos:
            content = store.photos.content_at(root.id, folder, name)
            renamed.add(content)
            if content is not None and photo_metadata.has_sidecar(store, root.id, folder, name):
                photo_metadata.queue(store, settings, content)
        deleted += store.photos.mark_deleted(root.id, folder, photos, now)
        sidecars = [name for name in names if is_sidecar(name)]
        if sidecars:
            photo_metadata.forget_sidecars(store, settings, root.id, folder, sidecars)
    for content in renamed - {None}:
        assert content is not None
        store.results.refresh_words(content)
        store.notes.requeue_edits(content)
        photo_metadata.moved(store, settings, content)
    return deleted
