"""The folders to be scanned, by watched folder, and the choice of the next task for a thread. Thread-safe.

Each watched folder is scanned by one thread at a time, so folders on different disks do not wait for each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from imgretd.dirty import DirtyFolders, DueFolders, is_in

UNREADABLE_SECONDS = 60.0  # how often unreadable files are retried


class Task(NamedTuple):
    """Work for one thread, which calls `done` afterwards."""

    path: bytes  # the watched folder
    due: DueFolders
    unreadable: bool  # whether to retry files that could not be read


class Backlog:
    """Collects the dirty folders of each watched folder."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._dirty: dict[bytes, DirtyFolders] = {}
        self._taken: dict[bytes, Task] = {}
        self._not_before: dict[bytes, float] = {}
        self._next_unreadable: dict[bytes, float] = {}
        self._paused = False
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Return whether `stop` was called."""
        return self._stopping

    @property
    def scanning(self) -> bytes | None:
        """Return a watched folder that is being scanned now, or None."""
        with self._changed:
            return next((path for path, task in self._taken.items() if task.due), None)

    @property
    def idle(self) -> bool:
        """Return whether no folder is dirty. Folders scheduled by `scan_later` do not count."""
        with self._changed:
            busy = any(task.due for task in self._taken.values())
            return not busy and not any(dirty.active for dirty in self._dirty.values())

    def __contains__(self, path: bytes) -> bool:
        return path in self._dirty

    def is_to_scan(self, folder: bytes) -> bool:
        """Return whether the tree of `folder` is still to be scanned, or is being scanned now."""
        with self._changed:
            path = self._of(folder)
            if path is None:
                return False
            trees = set(self._dirty[path].trees)
            if path in self._taken:
                trees |= self._taken[path].due.trees
            return any(is_in(folder, tree) for tree in trees)

    def keep(self, paths: Iterable[bytes]) -> None:
        """Set the watched folders; dirty folders outside them are dropped."""
        with self._changed:
            before, later = self._dirty, time.monotonic() + UNREADABLE_SECONDS
            self._dirty = {path: before.get(path) or DirtyFolders() for path in paths}
            self._next_unreadable = {path: self._next_unreadable.get(path, later) for path in self._dirty}
            self._not_before.clear()
            self._changed.notify_all()

    def touch(self, folder: bytes) -> None:
        """Mark this folder as dirty."""
        with self._changed:
            path = self._of(folder)
            if path is not None:
                self._dirty[path].touch(folder, path, time.monotonic())
                self._changed.notify_all()

    def touch_tree(self, folder: bytes) -> None:
        """Mark everything below this folder as dirty."""
        with self._changed:
            path = self._of(folder)
            if path is not None:
                self._dirty[path].touch_tree(folder, time.monotonic())
                self._changed.notify_all()

    def scan_later(self, folders: Iterable[bytes], seconds: float) -> None:
        """Scan these folders again after so many seconds."""
        with self._changed:
            for folder in folders:
                path = self._of(folder)
                if path is not None:
                    self._dirty[path].scan_later(folder, time.monotonic() + seconds)
            self._changed.notify_all()

    def put_back(self, task: Task, seconds: float) -> None:
        """Return a task that failed; it is handed out again after so many seconds at the earliest."""
        for tree in task.due.trees:
            self.touch_tree(tree)
        for folder in task.due.folders:
            self.touch(folder)
        with self._changed:
            self._not_before[task.path] = time.monotonic() + seconds

    def retry(self) -> None:
        """Retry unreadable files now, if their next attempt is due."""
        with self._changed:
            self._next_unreadable = dict.fromkeys(self._next_unreadable, time.monotonic())
            self._changed.notify_all()

    def pause(self, *, paused: bool) -> None:
        """Pause or resume handing out tasks; dirty folders are still collected."""
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def stop(self) -> None:
        """Make `take` return None in every thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def take(self) -> Task | None:
        """Wait for a task and return it; None after `stop`."""
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                task = None if self._paused else self._ready(now)
                if task is not None:
                    self._taken[task.path] = task
                    return task
                due = None if self._paused else self._due(now)
                self._changed.wait(None if due is None else max(0.0, due - now))
            return None

    def done(self, task: Task) -> None:
        """Mark a task as finished."""
        with self._changed:
            self._taken.pop(task.path, None)
            self._changed.notify_all()

    def _ready(self, now: float) -> Task | None:
        for path in self._free():
            if now < self._not_before.get(path, 0.0):
                continue
            due = self._dirty[path].take(now)
            unreadable = now >= self._next_unreadable[path]
            if due or unreadable:
                if unreadable:
                    self._next_unreadable[path] = now + UNREADABLE_SECONDS
                # Move this folder to the end, so that few threads serve all folders in turn.
                self._dirty[path] = self._dirty.pop(path)
                return Task(path, due, unreadable)
        return None

    def _due(self, now: float) -> float | None:
        """Return when the next task is due if nothing else happens, on the monotonic clock."""
        times = [
            max(
                min(self._dirty[path].due() or now + 3600, self._next_unreadable[path]),
                self._not_before.get(path, 0.0),
            )
            for path in self._free()
        ]
        return min(times, default=None)

    def _free(self) -> list[bytes]:
        return [path for path in self._dirty if path not in self._taken]

    def _of(self, folder: bytes) -> bytes | None:
        """Return the watched folder that is or contains `folder`."""
        return next((path for path in self._dirty if is_in(folder, path)), None)
