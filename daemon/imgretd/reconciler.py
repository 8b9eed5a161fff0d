"""The threads that keep the index in sync: dirty folders -> `imgret.sync`, the code of `imgret index`.

Nothing here decides what a change is. One thread for each watched folder, up to a few: a disk that is slow
or does not answer delays its own folder only. A disk that is full or read-only, an index that is busy, a
mistake of ours: the folders stay dirty, the reason is reported once, and it goes on when it can.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from imgret.config import Settings
from imgret.errors import ConfigError
from imgret.intake import SyncResult
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgretd.backlog import Backlog, Task
from imgretd.blocked_folders import Reasons
from imgretd.folder_problems import Troubles
from imgretd.scheduling import lower_this_thread
from imgretd.watched import Watched, inside, sync_watched

log = logging.getLogger(__name__)

MOST_THREADS = 8
RACY_SECONDS = 2.1  # the clock's tick that `scan` allows for, and a little
OFFLINE_SECONDS = 60.0  # how often a root that is away is looked at, whatever is heard of it
_PURGE_SECONDS = 24 * 3600.0  # how often tombstones that are 30 days old are looked for


class Reconciler:
    """Collects what is dirty, from any thread, and reconciles it on threads of its own."""

    def __init__(
        self,
        index_path: str,
        settings: Settings,
        on_synced: Callable[[bytes, SyncResult], None],
        on_problem: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        """`on_synced` is told what each pass over a folder or a tree found; all are called on these threads."""
        self._index_path = index_path
        self._settings = settings
        self._on_synced = on_synced
        self._on_change = on_change
        self._backlog = Backlog()
        self._lock = threading.Lock()  # of all below
        self._watched: dict[bytes, Watched] = {}
        self._threads: list[threading.Thread] = []
        self._started = False
        self._beats: dict[bytes, float] = {}  # of the watched folders that are being reconciled
        self._reasons = Reasons(on_problem)
        self._troubles = Troubles()
        self._next_purge = time.monotonic()
        self.tree_seconds = 0.0  # that the last scan of a whole tree took

    @property
    def settings(self) -> Settings:
        """Those by which it scans."""
        return self._settings

    @property
    def scanning(self) -> bytes | None:
        """A watched folder that is being scanned now."""
        return self._backlog.scanning

    @property
    def idle(self) -> bool:
        """Is nothing dirty? What is only to be looked at once more later does not count."""
        return self._backlog.idle

    @property
    def problem(self) -> str | None:
        """Why folders cannot be reconciled now."""
        return self._reasons.problem

    @property
    def troubled(self) -> list[str]:
        """Sentences: folders and files that cannot be looked at."""
        with self._lock:
            return self._troubles.sentences()

    @property
    def heartbeat(self) -> float:
        """When the thread that was silent for longest gave a sign of life; now when none is at work.

        Waiting for a disk is bounded (`imgret.disk_calls`), so silence means a mistake of ours.
        """
        with self._lock:
            return min(self._beats.values(), default=time.monotonic())

    def start(self) -> None:
        """Begin to work."""
        self._started = True
        self.tend()

    def tend(self) -> None:
        """Start the threads that are needed and not there; call it now and then.

        When the system has no thread left, those that run serve every folder.
        """
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            wanted = min(max(len(self._watched), 1), MOST_THREADS)
            if not self._started or self._backlog.stopping:
                return
            while len(self._threads) < wanted:
                thread = threading.Thread(target=self._run, name="reconcile", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    break
                self._threads.append(thread)
            none = not self._threads
        self._reasons.say(
            b"", "the system has no thread left: folders wait to be looked at" if none else None
        )

    def is_to_scan(self, folder: bytes) -> bool:
        """Is everything below `folder` still to be scanned, or being scanned now?"""
        return self._backlog.is_to_scan(folder)

    def keep(self, watched: dict[bytes, Watched], settings: Settings) -> None:
        """Keep these folders in sync from now on, by these settings."""
        with self._lock:
            self._watched = dict(watched)
            self._settings = settings
            self._troubles.keep(watched)
        self._reasons.keep(watched)
        self._backlog.keep(watched)
        self.tend()

    def touch(self, folder: bytes) -> None:
        """Something happened in this folder."""
        self._backlog.touch(folder)

    def touch_tree(self, folder: bytes) -> None:
        """Anything below this folder may have changed."""
        self._backlog.touch_tree(folder)

    def pause(self, *, paused: bool) -> None:
        """Scan nothing for now; what gets dirty is remembered."""
        self._backlog.pause(paused=paused)

    def retry(self) -> None:
        """Look now for files that could not be read and are due again."""
        self._backlog.retry()

    def stop(self) -> None:
        """End soon: what was found is kept, nothing is deleted on half a look."""
        self._backlog.stop()

    def is_alive(self) -> bool:
        """Whether a thread still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        """Each thread."""
        lower_this_thread()
        store: Store | None = None
        while (task := self._backlog.take()) is not None:
            self._beat(task.path)
            try:
                store = store or open_store(self._index_path)
                self._reconcile(store, task)
            except Exception as error:
                wait = self._reasons.failed(task.path, error)
                if wait is not None:
                    self._backlog.put_back(task, wait)
                if store is not None and not isinstance(error, ConfigError):
                    store.close()
                    store = None
            else:
                self._reasons.say(task.path, None)
            finally:
                with self._lock:
                    self._beats.pop(task.path, None)
                self._backlog.done(task)
                self._on_change()
        if store is not None:
            store.close()

    def _reconcile(self, store: Store, task: Task) -> None:
        with self._lock:
            each, purges = self._watched.get(task.path), time.monotonic() >= self._next_purge
            if purges:
                self._next_purge = time.monotonic() + _PURGE_SECONDS
        if purges:
            store.contents.purge(int(time.time()))
        if each is None:
            return
        for tree in sorted(task.ripe.trees):
            self._sync(store, each, {inside(each, tree)}, recursive=True)
        if task.ripe.folders:
            folders = {inside(each, folder) for folder in task.ripe.folders}
            self._sync(store, each, folders, recursive=False)
        if task.unreadable:
            due = store.photos.due_unreadable(each.root.id, int(time.time()))
            if due:
                self._sync(store, each, {folder for folder, _name in due}, recursive=False)

    def _sync(self, store: Store, each: Watched, folders: set[bytes], *, recursive: bool) -> None:
        def stopped() -> bool:
            self._beat(each.path)
            return self._backlog.stopping or each.path not in self._backlog

        if stopped():
            return
        began = time.monotonic()
        passed = sync_watched(
            store,
            self._settings,
            each,
            folders,
            recursive=recursive,
            on_progress=lambda _seen: self._beat(each.path),
            stopped=stopped,
        )
        if passed is None:  # removed: the configuration that says so is about to be read
            return
        root, folders, found = passed
        if recursive:
            self.tree_seconds = time.monotonic() - began
        self._backlog.look_later(
            (os.path.join(root.path, f) if f else root.path for f in found.racy), RACY_SECONDS
        )
        if found.offline:
            self._backlog.look_later([each.path], OFFLINE_SECONDS)
        elif not root.online and not recursive:  # it is back
            self._backlog.touch_tree(each.path)
        with self._lock:
            news = self._troubles.is_news(each.path, found, folders, recursive=recursive)
        if news:
            self._on_synced(each.path, found)

    def _beat(self, path: bytes) -> None:
        with self._lock:
            self._beats[path] = time.monotonic()
