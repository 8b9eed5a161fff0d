"""The thread that makes the index true: dirty folders -> `imgret.sync`, the code of `imgret index`.

Nothing here decides what a change is. A disk that is full or read-only, an index that is busy: the folders
stay dirty, the reason is said once, and it goes on when it can.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from imgret.config import Settings
from imgret.errors import ConfigError, ImgretError
from imgret.index import photos, roots
from imgret.index.connection import Index
from imgret.index.roots import Root
from imgret.sync import Synced, sync
from imgretd.courtesy import lower_this_thread
from imgretd.dirty import DirtyFolders, Ripe, is_in

log = logging.getLogger(__name__)

RACY_SECONDS = 2.1  # the clock's tick that `scan` allows for, and a little
RETRY_SECONDS = 5.0  # when the index cannot be written
_PURGE_SECONDS = 24 * 3600.0  # how often tombstones that are 30 days old are looked for
_UNREADABLE_SECONDS = 60.0  # how often files that could not be read are looked for


class Watched(NamedTuple):
    """A folder to keep true: the root in the index that is or holds it, and where it lies in there."""

    path: bytes
    root: Root
    inside: bytes


class Reconciler(threading.Thread):
    """Collects what is dirty, from any thread, and reconciles it on its own."""

    def __init__(
        self,
        index_path: str,
        settings: Settings,
        on_synced: Callable[[bytes, Synced], None],
        on_problem: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        """`on_synced` is told what each pass over a folder or a tree found; all are called on this thread."""
        super().__init__(name="reconcile", daemon=True)
        self._index_path = index_path
        self._settings = settings
        self._on_synced = on_synced
        self._on_problem = on_problem
        self._on_change = on_change
        self._changed = threading.Condition()
        self._dirty = DirtyFolders()
        self._watched: dict[bytes, Watched] = {}
        self._paused = False
        self._stopping = False
        self._scanning: bytes | None = None
        self._trees: frozenset[bytes] = frozenset()  # that are being scanned
        self._next_unreadable = time.monotonic() + _UNREADABLE_SECONDS
        self._next_purge = time.monotonic()
        self.problem: str | None = None

    @property
    def settings(self) -> Settings:
        """Those by which it scans."""
        return self._settings

    @property
    def scanning(self) -> bytes | None:
        """The watched folder that is being scanned now."""
        return self._scanning

    @property
    def idle(self) -> bool:
        """Is nothing dirty? What is only to be looked at once more later does not count."""
        with self._changed:
            return self._scanning is None and not self._dirty.active

    def is_to_scan(self, folder: bytes) -> bool:
        """Is everything below `folder` still to be scanned, or being scanned now?"""
        with self._changed:
            return any(is_in(folder, tree) for tree in (*self._dirty.trees, *self._trees))

    def keep(self, watched: dict[bytes, Watched], settings: Settings) -> None:
        """Keep these folders true from now on, by these settings."""
        with self._changed:
            for path in self._watched.keys() - watched.keys():
                self._dirty.forget(path)
            self._watched = dict(watched)
            self._settings = settings
            self._changed.notify_all()

    def touch(self, folder: bytes) -> None:
        """Something happened in this folder."""
        with self._changed:
            watched = self._of(folder)
            if watched is not None:
                self._dirty.touch(folder, watched.path, time.monotonic())
                self._changed.notify_all()

    def touch_tree(self, folder: bytes) -> None:
        """Anything below this folder may have changed."""
        with self._changed:
            if self._of(folder) is not None:
                self._dirty.touch_tree(folder, time.monotonic())
                self._changed.notify_all()

    def pause(self, *, paused: bool) -> None:
        """Scan nothing for now; what gets dirty is remembered."""
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def retry(self) -> None:
        """Look now for files that could not be read and are due again."""
        with self._changed:
            self._next_unreadable = time.monotonic()
            self._changed.notify_all()

    def stop(self) -> None:
        """End soon: what was found is kept, nothing is deleted on half a look."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def run(self) -> None:
        """The thread."""
        lower_this_thread()
        index: Index | None = None
        while True:
            ripe = self._wait()
            if self._stopping:
                break
            try:
                index = index or Index(self._index_path)
                self._reconcile(index, ripe)
            except ConfigError as error:
                self._say(str(error))
            except ImgretError as error:
                self._say(f"{error}. {error.hint}".strip())
                self._put_back(ripe)
                if index is not None:
                    index.close()
                    index = None
                self._sleep(RETRY_SECONDS)
            else:
                self._say(None)
            finally:
                self._scanning = None
                self._trees = frozenset()
                self._on_change()
        if index is not None:
            index.close()

    def _wait(self) -> Ripe:
        """What is ripe; nothing when it is time for the unreadable files, or to stop."""
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                if not self._paused:
                    ripe = self._dirty.take(now)
                    if ripe:
                        self._scanning = next(iter(ripe.trees or ripe.folders))
                        self._trees = ripe.trees
                        return ripe
                    if now >= self._next_unreadable:
                        break
                due = None if self._paused else min(self._dirty.due() or now + 3600, self._next_unreadable)
                self._changed.wait(None if due is None else max(0.0, due - now))
            return Ripe(frozenset(), frozenset())

    def _reconcile(self, index: Index, ripe: Ripe) -> None:
        with self._changed:
            watched = dict(self._watched)
        if time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + _PURGE_SECONDS
            photos.purge(index, int(time.time()))
        for tree in sorted(ripe.trees):
            each = watched.get(tree) or self._of(tree)
            if each is not None:
                self._sync(index, each, {_inside(each, tree)}, recursive=True)
        for each in watched.values():
            folders = {folder for folder in ripe.folders if self._of(folder) == each}
            if folders:
                self._sync(index, each, {_inside(each, folder) for folder in folders}, recursive=False)
        if time.monotonic() >= self._next_unreadable:
            self._next_unreadable = time.monotonic() + _UNREADABLE_SECONDS
            for each in watched.values():
                due = photos.due_unreadable(index, each.root.id, int(time.time()))
                if due:
                    self._sync(index, each, {folder for folder, _name in due}, recursive=False)

    def _sync(self, index: Index, each: Watched, folders: set[bytes], *, recursive: bool) -> None:
        if self._stopping:
            return
        self._scanning = each.path
        place = roots.enclosing(index, each.path)
        if place is None:  # removed: the configuration that says so is about to be read
            return
        root = place[0]
        if root.id != each.root.id:  # another root took the folder over since it was configured
            whole = (os.path.join(each.root.path, folder).rstrip(b"/") for folder in folders)
            folders = {inside for path in whole if (inside := roots.relative(root.path, path)) is not None}
        found = sync(
            index,
            self._settings,
            root,
            folders=folders,
            recursive=recursive,
            stopped=lambda: self._stopping,
        )
        later = time.monotonic() + RACY_SECONDS
        with self._changed:
            for folder in found.racy:
                self._dirty.look_later(os.path.join(root.path, folder) if folder else root.path, later)
        self._on_synced(each.path, found)

    def _of(self, folder: bytes) -> Watched | None:
        """The watched folder that is or holds `folder`."""
        return next((each for path, each in self._watched.items() if is_in(folder, path)), None)

    def _put_back(self, ripe: Ripe) -> None:
        for tree in ripe.trees:
            self.touch_tree(tree)
        for folder in ripe.folders:
            self.touch(folder)

    def _say(self, problem: str | None) -> None:
        if problem != self.problem:
            self.problem = problem
            if problem is not None:
                self._on_problem(problem)
            else:
                log.info("Goes on")

    def _sleep(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)


def _inside(watched: Watched, folder: bytes) -> bytes:
    """`folder` relative to the root in the index."""
    found = roots.relative(watched.root.path, folder)
    assert found is not None
    return found
