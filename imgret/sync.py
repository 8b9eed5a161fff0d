"""Update the paths in the index from a folder on disk, and queue new contents to be described.

The scan reports files that may have changed; their hash decides. Additions are saved before deletions, so that
a moved photo is recognized at its new path. Deleted files become tombstones. An unavailable root is marked
offline, and none of its photos is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from msgspec.structs import replace

from imgret import disks
from imgret.config import Settings
from imgret.disk_calls import NotResponding
from imgret.exclude import Exclude
from imgret.intake import (
    FoundFile,
    RootRemoved,
    SyncResult,
    mark_deleted,
    save_found,
    save_found_sidecars,
)
from imgret.listing import Change, FolderScan, RootOffline, stat_files
from imgret.mounts import root_health, root_identity
from imgret.photo import FileStat
from imgret.scan import scan
from imgret.store.interface import Store
from imgret.store.records import Root

WAIT_SECONDS = 0.3  # between two looks whether another host has finished its scan of the same root


def add_root(store: Store, path: bytes) -> tuple[Root, bytes]:
    """Return the root that is or contains the folder `path`, added if there is none, and the folder relative to it."""
    disks.look(store)
    return store.roots.enclosing(path) or (store.roots.add(path, filesystem=root_identity(path)), b"")


def sync(
    store: Store,
    settings: Settings,
    root: Root,
    *,
    folders: Collection[bytes] = (b"",),
    recursive: bool = True,
    on_progress: Callable[[int], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> SyncResult:
    """Scan `folders` of a root (relative to it), with `recursive` all below them, and update the index.

    One host scans a root at a time; the others wait here.

    `on_progress` is called with the number of files seen so far. As soon as `stopped()` is true, the pass ends:
    new files found until then are saved and nothing is deleted. A root that was offline is scanned completely,
    because no events were received meanwhile. Raises the store's errors.
    """
    while True:
        with store.roots.scanning(root.id) as ours:
            if ours:
                return _sync(store, settings, root, folders, recursive, on_progress, stopped)
        if stopped():
            return SyncResult()
        on_progress(0)
        time.sleep(WAIT_SECONDS)


def _sync(
    store: Store,
    settings: Settings,
    root: Root,
    folders: Collection[bytes],
    recursive: bool,  # noqa: FBT001
    on_progress: Callable[[int], None],
    stopped: Callable[[], bool],
) -> SyncResult:
    outcome = SyncResult()
    if not root.online:
        folders, recursive = (b"",), True
    known_photos = store.photos.any_known(root.id)
    health = root_health(root.path, root.filesystem, photos=known_photos)
    if not health.online:
        return _offline(store, root, outcome, health.reason or "it is not available")
    filesystem = root_identity(root.path) or root.filesystem
    # Otherwise avoid a commit, which other processes would notice.
    if not (root.online and root.here) or filesystem != root.filesystem:
        store.roots.mark_online(root.id, filesystem)
    root = replace(root, filesystem=filesystem)
    missing: list[tuple[bytes, list[bytes]]] = []
    try:
        save_found(
            store,
            settings,
            root,
            _found(store, settings, root, folders, recursive, missing, outcome, on_progress),
            outcome,
            stopped,
        )
        if stopped():
            return outcome
        if missing:
            health = root_health(root.path, root.filesystem, photos=known_photos)
            if not health.online:
                return _offline(store, root, outcome, health.reason or "it is not available")
            offline = disks.offline_below(store, root)
            missing = [each for each in missing if not disks.is_inside(each[0], offline)]
    except (RootOffline, NotResponding) as error:
        return _offline(store, root, outcome, str(error))
    except RootRemoved:
        outcome.removed = True
        return outcome
    full = recursive and b"" in folders
    if not missing and not full:
        return outcome
    with store.writing():
        if not store.roots.is_active(root.id):
            outcome.removed = True
            return outcome
        outcome.gone += mark_deleted(store, settings, root, missing)
        if full:
            store.roots.mark_scanned(root.id, int(time.time()))
    return outcome


def _found(
    store: Store,
    settings: Settings,
    root: Root,
    folders: Collection[bytes],
    recursive: bool,  # noqa: FBT001
    missing: list[tuple[bytes, list[bytes]]],
    outcome: SyncResult,
    on_progress: Callable[[int], None],
) -> Iterator[FoundFile]:
    """Scan the folders and yield the files to be hashed; missing files are added to `missing`."""
    rules = Exclude(settings.exclude, hidden=settings.hidden)
    yielded: set[tuple[bytes, bytes]] = set()
    known_folders: set[bytes] = set()
    offline = disks.offline_below(store, root)
    with_sidecars = store.sidecars.folders(root.id)
    if recursive:
        known_folders.update(*(store.photos.known_folders(root.id, each) for each in folders))
        known_folders.update(*(store.sidecars.folders(root.id, each) for each in folders))

    def known(folder: bytes) -> Mapping[bytes, FileStat]:
        photos = store.photos.known(root.id, folder)
        return photos | store.sidecars.known(root.id, folder) if folder in with_sidecars else photos

    scans: Iterable[FolderScan] = scan(
        root.path,
        known,
        rules,
        folders=folders,
        recursive=recursive,
        known_folders=known_folders,
        offline=offline,
    )
    for each in scans:
        outcome.seen += each.photos
        on_progress(outcome.seen)
        problems = ([each.problem] if each.problem else []) + list(each.faults)
        if problems:
            outcome.folder_problems[each.folder] = problems
            outcome.problems += problems
        names = [
            finding.name for finding in (*each.findings, *each.sidecars) if finding.change is Change.MISSING
        ]
        if names and not disks.is_inside(each.folder, disks.offline_below(store, root)):
            missing.append((each.folder, names))
        save_found_sidecars(store, settings, root, each, outcome)
        for finding in each.findings:
            if finding.file_stat is not None:
                yielded.add((each.folder, finding.name))
                if finding.change is Change.RACY:
                    outcome.racy.add(each.folder)
                yield FoundFile(each.folder, finding.name, finding.change, finding.file_stat)
    due = [
        (folder, name)
        for folder, name in store.photos.due_unreadable(root.id, int(time.time()))
        if (folder, name) not in yielded and not disks.is_inside(folder, offline)
    ]
    for folder, name, seen in stat_files(root.path, due):
        yield FoundFile(folder, name, Change.SUSPECT, seen)


def _offline(store: Store, root: Root, outcome: SyncResult, reason: str) -> SyncResult:
    store.roots.mark_offline(root.id, reason)
    outcome.offline = reason
    return outcome
