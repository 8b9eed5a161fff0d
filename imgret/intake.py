"""Save what a look at a folder found: hash each file, and make the index true a transaction's worth at a time.

A file that cannot be saved costs itself; a root that somebody removed meanwhile ends the pass.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator

from msgspec import Struct

from imgret.config import Settings
from imgret.decode.hash_many import Hash, Read, hash_many
from imgret.decode.hashing import PhotoGone
from imgret.errors import ImgretError, PhotoError
from imgret.listing import Change, RootOffline
from imgret.mounts import root_health
from imgret.photo import FileStat
from imgret.store import paths, policy
from imgret.store.interface import Store
from imgret.store.records import Root

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


class RootRemoved(Exception):
    """The root is no more, or part of another one."""


class Found(Struct, frozen=True):
    """A file that may be new or another: relative to its root, as the look found it."""

    folder: bytes
    name: bytes
    change: Change
    file_stat: FileStat


def take_in(
    store: Store,
    settings: Settings,
    root: Root,
    found: Iterator[Found],
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
            _save(store, root, files, stages, outcome)
        except (ImgretError, RootRemoved):
            raise
        except Exception:  # nothing of this batch was saved: find the file that it is about
            for each in files:
                try:
                    _save(store, root, [each], stages, outcome)
                except (ImgretError, RootRemoved):
                    raise
                except Exception as error:
                    name = os.fsdecode(paths.join(root.path, each[0].folder, each[0].name))
                    outcome.problems.append(f"{name} cannot be indexed: {type(error).__name__} {error}")


def _save(
    store: Store,
    root: Root,
    files: list[tuple[Found, Read]],
    stages: Collection[str],
    outcome: Synced,
) -> None:
    """Save these files in one transaction."""
    renamed: set[int] = set()
    with store.writing():
        if not store.roots.is_active(root.id):
            raise RootRemoved
        for each, read_as in files:
            if isinstance(read_as, PhotoGone):
                outcome.racy.add(each.folder)  # it came and went: the next look knows better
            elif isinstance(read_as, PhotoError):
                _keep_unreadable(store, root, each, read_as, outcome)
            else:
                renamed |= _keep(store, root, each, read_as, stages, outcome)
        for content in renamed:  # once a batch: a thousand copies of one picture are one content
            store.results.refresh_words(content)


def _still_there(root: Root) -> None:
    """Files that cannot be read say nothing of themselves when their disk is gone. Raises RootOffline."""
    health = root_health(root.path, root.filesystem, photos=True)
    if not health.online:
        raise RootOffline(health.reason or "it is away")


def _keep(
    store: Store, root: Root, each: Found, read_as: Hash, stages: Collection[str], outcome: Synced
) -> set[int]:
    """Save one file. -> the contents that lie under other names now."""
    # A file so young that a later write may leave the same file status gets one that no file has: the
    # next look finds it suspicious and asks the hash again.
    file_stat = (
        each.file_stat._replace(inode=policy.YOUNG_INODE) if each.change is Change.RACY else each.file_stat
    )
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
        store.work.queue(content, stages)  # its words follow with what comes of decoding it
    if before is not None:
        outcome.changed += 1
    elif new:
        outcome.new += 1
    else:
        outcome.moved += 1
    return ({before} if before is not None else set()) | (set() if new else {content})


def _keep_unreadable(store: Store, root: Root, each: Found, error: PhotoError, outcome: Synced) -> None:
    now = int(time.time())
    if store.photos.save_unreadable(root.id, each.folder, each.name, each.file_stat, error.advice, now):
        outcome.unreadable += 1
        outcome.problems.append(error.advice)


def bury(store: Store, root: Root, gone: list[tuple[bytes, list[bytes]]]) -> int:
    """All of these (folder, names) are tombstones from now on. -> how many were alive."""
    now, buried = int(time.time()), 0
    renamed: set[int | None] = set()
    for folder, names in gone:
        renamed.update(store.photos.content_at(root.id, folder, name) for name in names)
        buried += store.photos.mark_deleted(root.id, folder, names, now)
    for content in renamed - {None}:
        assert content is not None
        store.results.refresh_words(content)
        store.notes.requeue_edits(content)
    return buried
