"""The threads that keep the index in sync: they run `imgret.sync`, the code of `imgret index`, on dirty folders.

`imgret.sync` decides what a change is. Each watched folder has one thread, up to a few, so a disk that is slow or does
not respond delays only its own folder. If the disk is full or read-only, the index is busy or a bug is met, the
folders stay dirty, the reason is reported once, and the pass is repeated later.
"""

from __future__ import annotations

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
from imgretd.blocked_folders import BlockedFolders
from imgretd.folder_problems import FolderProblems
from imgretd.scheduling import lower_thread_priority
from imgretd.watched import WatchedFolder, inside, sync_watched

MOST_THREADS = 8
RACY_SECONDS = 2.1  # slightly more than the 2 s within which `scan` treats a file as racy
OFFLINE_SECONDS = 60.0  # how often an offline root is checked, with or without events
_PURGE_SECONDS = 24 * 3600.0  # how often tombstones older than 30 days are deleted


class Reconciler:
    """Collects dirty folders from any thread, and reconciles them on its own threads."""

    def __init__(
        self,
        index_path: str,
        settings: Settings,
        on_synced: Callable[[bytes, SyncResult], None],
        on_problem: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        """`on_synced` is called with each folder and its result. All callbacks run on the reconciler's threads."""
        self._index_path = index_path
        self._settings = settings
        self._on_synced = on_synced
        self._on_change = on_change
        self._backlog = Backlog()
        self._lock = threading.Lock()  # protects all attributes below
        self._watched: dict[bytes, WatchedFolder] = {}
        self._threads: list[threading.Thread] = []
        self._started = False
        self._beats: dict[bytes, float] = {}  # of the watched folders that are being reconciled
        self._blocked = BlockedFolders(on_problem)
        self._problems = FolderProblems()
        self._next_purge = time.monotonic()
        self.tree_seconds = 0.0  # duration of the last scan of a whole tree

    @property
    def settings(self) -> Settings:
        """Return the settings used for scans."""
        return self._settings

    @property
    def scanning(self) -> bytes | None:
        """Return a watched folder that is being scanned now, or None."""
        return self._backlog.scanning

    @property
    def idle(self) -> bool:
        """Return whether no folder is dirty. Folders scheduled to be scanned again later do not count."""
        return self._backlog.idle

    @property
    def problem(self) -> str | None:
        """Return a reason why folders cannot be reconciled now, or None."""
        return self._blocked.problem

    @property
    def troubled(self) -> list[str]:
        """Return messages about folders and files that cannot be read."""
        with self._lock:
            return self._problems.messages()

    @property
    def heartbeat(self) -> float:
        """Return when the busy thread that has been inactive longest was last active; now if none is busy.

        Waiting for a disk is bounded (`imgret.disk_calls`), so silence means a bug.
        """
        with self._lock:
            return min(self._beats.values(), default=time.monotonic())

    def start(self) -> None:
        """Start the threads."""
        self._started = True
        self.start_missing_threads()

    def start_missing_threads(self) -> None:
        """Start missing threads; call it regularly.

        If no further thread can be started, the running ones serve all folders.
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
        self._blocked.set_reason(
            b"", "no further thread can be started: folders wait to be scanned" if none else None
        )

    def is_to_scan(self, folder: bytes) -> bool:
        """Return whether the tree of `folder` is still to be scanned, or is being scanned now."""
        return self._backlog.is_to_scan(folder)

    def keep(self, watched: dict[bytes, WatchedFolder], settings: Settings) -> None:
        """Keep these folders in sync from now on, by these settings."""
        with self._lock:
            self._watched = dict(watched)
            self._settings = settings
            self._problems.keep_only(watched)
        self._blocked.keep_only(watched)
        self._backlog.keep(watched)
        self.start_missing_threads()

    def touch(self, folder: bytes) -> None:
        """Mark this folder as dirty."""
        self._backlog.touch(folder)

    def touch_tree(self, folder: bytes) -> None:
        """Mark everything below this folder as dirty."""
        self._backlog.touch_tree(folder)

    def pause(self, *, paused: bool) -> None:
        """Pause or resume scanning; dirty folders are still collected."""
        self._backlog.pause(paused=paused)

    def retry(self) -> None:
        """Retry unreadable files now, if their next attempt is due."""
        self._backlog.retry()

    def stop(self) -> None:
        """Make the threads end soon. New files found so far are saved; an incomplete scan deletes nothing."""
        self._backlog.stop()

    def is_alive(self) -> bool:
        """Return whether a thread is still running."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        """Process tasks; this is the function of each thread."""
        lower_thread_priority()
        store: Store | None = None
        while (task := self._backlog.take()) is not None:
            self._beat(task.path)
            try:
                store = store or open_store(self._index_path)
                self._reconcile(store, task)
            except Exception as error:
                wait = self._blocked.failed(task.path, error)
                if wait is not None:
                    self._backlog.put_back(task, wait)
                if store is not None and not isinstance(error, ConfigError):
                    store.close()
                    store = None
            else:
                self._blocked.set_reason(task.path, None)
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
        for tree in sorted(task.due.trees):
            self._sync(store, each, {inside(each, tree)}, recursive=True)
        if task.due.folders:
            folders = {inside(each, folder) for folder in task.due.folders}
            self._sync(store, each, folders, recursive=False)
        if task.unreadable:
            due = store.photos.due_unreadable(each.root.id, int(time.time()))
            if due:
                self._sync(store, each, {folder for folder, _name in due}, recursive=False)

    def _sync(self, store: Store, each: WatchedFolder, folders: set[bytes], *, recursive: bool) -> None:
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
        if passed is None:  # the folder was removed; the new configuration is about to be read
            return
        root, folders, found = passed
        if recursive:
            self.tree_seconds = time.monotonic() - began
        self._backlog.scan_later(
            (os.path.join(root.path, f) if f else root.path for f in found.racy), RACY_SECONDS
        )
        if found.offline:
            self._backlog.scan_later([each.path], OFFLINE_SECONDS)
        elif not root.online and not recursive:  # the root is online again
            self._backlog.touch_tree(each.path)
        with self._lock:
            is_new = self._problems.update(each.path, found, folders, recursive=recursive)
        if is_new:
            self._on_synced(each.path, found)

    def _beat(self, path: bytes) -> None:
        with self._lock:
            self._beats[path] = time.monotonic()
