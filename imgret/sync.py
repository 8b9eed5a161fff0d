"""Bring the index's paths up to date with a folder on disk, and queue what there is to describe.

The scan says what is suspicious; here the hash decides. Additions come before deletions, so that a
moved photo is met before it is missed; deletions are tombstones; and a root that is away is marked
offline, which deletes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator

from msgspec.structs import replace

from imgret import disks
from imgret.config import Settings
from imgret.disk_calls import NotAnswering
from imgret.exclude import Exclude
from imgret.intake import Found, RootRemoved, Synced, bury, take_in
from imgret.listing import Change, FolderScan, RootOffline, look_at
from imgret.mounts import root_health, root_identity
from imgret.scan import scan
from imgret.store.interface import Store
from imgret.store.records import Root


def add_root(store: Store, path: bytes, *, watched: bool | None = None) -> tuple[Root, bytes]:
    """The root that is or holds the folder `path`, made if need be, and the folder relative to it."""
    enclosing = store.roots.enclosing(path)
    if enclosing is not None and (enclosing[1] == b"" or watched is None):
        root, inside = enclosing
        if watched is not None:
            root = store.roots.add(root.path, watched=watched)
        return root, inside
    return store.roots.add(path, watched=watched), b""


def sync(
    store: Store,
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
    known_photos = store.photos.any_known(root.id)
    health = root_health(root.path, root.filesystem, photos=known_photos)
    if not health.online:
        return _offline(store, root, outcome, health.reason or "it is away")
    filesystem = root_identity(root.path) or root.filesystem
    if not root.online or filesystem != root.filesystem:  # each commit wakes whoever waits for one
        store.roots.mark_online(root.id, filesystem)
    root = replace(root, filesystem=filesystem)
    gone: list[tuple[bytes, list[bytes]]] = []
    try:
        take_in(
            store,
            settings,
            root,
            _found(store, settings, root, folders, recursive, gone, outcome, on_progress),
            outcome,
            stopped,
        )
        if stopped():
            return outcome
        if gone:
            health = root_health(root.path, root.filesystem, photos=known_photos)
            if not health.online:
                return _offline(store, root, outcome, health.reason or "it is away")
            away = disks.away_below(store, root)
            gone = [each for each in gone if not disks.lies_in(each[0], away)]
    except (RootOffline, NotAnswering) as error:
        return _offline(store, root, outcome, str(error))
    except RootRemoved:
        outcome.removed = True
        return outcome
    full = recursive and b"" in folders
    if not gone and not full:
        return outcome
    with store.writing():
        if not store.roots.is_active(root.id):
            outcome.removed = True
            return outcome
        outcome.gone += bury(store, root, gone)
        if full:
            store.roots.mark_scanned(root.id, int(time.time()))
    return outcome


def _found(
    store: Store,
    settings: Settings,
    root: Root,
    folders: Collection[bytes],
    recursive: bool,  # noqa: FBT001
    gone: list[tuple[bytes, list[bytes]]],
    outcome: Synced,
    on_progress: Callable[[int], None],
) -> Iterator[Found]:
    """The files to be read; those that are gone are put aside in `gone`."""
    rules = Exclude(settings.exclude, hidden=settings.hidden)
    met: set[tuple[bytes, bytes]] = set()
    known_folders: set[bytes] = set()
    away = disks.away_below(store, root)
    if recursive:
        known_folders.update(*(store.photos.known_folders(root.id, each) for each in folders))
    scans: Iterable[FolderScan] = scan(
        root.path,
        lambda folder: store.photos.known(root.id, folder),
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
        if lost and not disks.lies_in(each.folder, disks.away_below(store, root)):
            gone.append((each.folder, lost))
        for finding in each.findings:
            if finding.file_stat is not None:
                met.add((each.folder, finding.name))
                if finding.change is Change.RACY:
                    outcome.racy.add(each.folder)
                yield Found(each.folder, finding.name, finding.change, finding.file_stat)
    due = [
        (folder, name)
        for folder, name in store.photos.due_unreadable(root.id, int(time.time()))
        if (folder, name) not in met and not disks.lies_in(folder, away)
    ]
    for folder, name, seen in look_at(root.path, due):
        yield Found(folder, name, Change.SUSPECT, seen)


def _offline(store: Store, root: Root, outcome: Synced, reason: str) -> Synced:
    store.roots.mark_offline(root.id, reason)
    outcome.offline = reason
    return outcome
