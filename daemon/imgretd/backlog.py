"""What is to be scanned in each watched folder, and which of them a thread takes next. Any thread may call it.

A watched folder is handed to one thread at a time, so folders on different disks do not wait for each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from imgretd.dirty import DirtyFolders, Ripe, is_in

UNREADABLE_SECONDS = 60.0  # how often files that could not be read are looked for


class Task(NamedTuple):
    """Work for one thread; it calls `done` when it has finished."""

    path: bytes  # the watched folder
    ripe: Ripe
    unreadable: bool  # it is time to look for files that could not be read


class Backlog:
    """Collects what is dirty, for each watched folder."""

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
        """Whether `stop` was called."""
        return self._stopping

    @property
    def scanning(self) -> bytes | None:
        """A watched folder that is being scanned now."""
        with self._changed:
            return next((path for path, task in self._taken.items() if task.ripe), None)

    @property
    def idle(self) -> bool:
        """Is nothing dirty? What is only to be looked at once more later does not count."""
        with self._changed:
            busy = any(task.ripe for task in self._taken.values())
            return not busy and not any(dirty.active for dirty in self._dirty.values())

    def __contains__(self, path: bytes) -> bool:
        return path in self._dirty

    def is_to_scan(self, folder: bytes) -> bool:
        """Whether everything below `folder` is still to be scanned, or is being scanned now."""
        with self._changed:
            path = self._of(folder)
            if path is None:
                return False
            trees = set(self._dirty[path].trees)
            if path in self._taken:
                trees |= self._taken[path].ripe.trees
            return any(is_in(folder, tree) for tree in trees)

    def keep(self, paths: Iterable[bytes]) -> None:
        """Collect for exactly these watched folders from now on."""
        with self._changed:
            before, later = self._dirty, time.monotonic() + UNREADABLE_SECONDS
            self._dirty = {path: before.get(path) or DirtyFolders() for path in paths}
            self._next_unreadable = {path: self._next_unreadable.get(path, later) for path in self._dirty}
            self._not_before.clear()
            self._changed.notify_all()

    def touch(self, folder: bytes) -> None:
        """Something happened in this folder."""
        with self._changed:
            path = self._of(folder)
            if path is not None:
                self._dirty[path].touch(folder, path, time.monotonic())
                self._changed.notify_all()

    def touch_tree(self, folder: bytes) -> None:
        """Anything below this folder may have changed."""
        with self._changed:
            path = self._of(folder)
            if path is not None:
                self._dirty[path].touch_tree(folder, time.monotonic())
                self._changed.notify_all()

    def look_later(self, folders: Iterable[bytes], seconds: float) -> None:
        """Scan these folders once more in so many seconds."""
        with self._changed:
            for folder in folders:
                path = self._of(folder)
                if path is not None:
                    self._dirty[path].look_later(folder, time.monotonic() + seconds)
            self._changed.notify_all()

    def put_back(self, task: Task, seconds: float) -> None:
        """It could not be done: hand it out again, not before so many seconds have passed."""
        for tree in task.ripe.trees:
            self.touch_tree(tree)
        for folder in task.ripe.folders:
            self.touch(folder)
        with self._changed:
            self._not_before[task.path] = time.monotonic() + seconds

    def retry(self) -> None:
        """Look now for files that could not be read and are due again."""
        with self._changed:
            self._next_unreadable = dict.fromkeys(self._next_unreadable, time.monotonic())
            self._changed.notify_all()

    def pause(self, *, paused: bool) -> None:
        """Hand nothing out for now; what gets dirty is remembered."""
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def stop(self) -> None:
        """Let every thread end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def take(self) -> Task | None:
        """Wait for a task; None when it is time to end."""
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
        """The thread has finished with it."""
        with self._changed:
            self._taken.pop(task.path, None)
            self._changed.notify_all()

    def _ready(self, now: float) -> Task | None:
        for path in self._free():
            if now < self._not_before.get(path, 0.0):
                continue
            ripe = self._dirty[path].take(now)
            unreadable = now >= self._next_unreadable[path]
            if ripe or unreadable:
                if unreadable:
                    self._next_unreadable[path] = now + UNREADABLE_SECONDS
                # Whoever was served goes behind the others: with few threads everyone gets a turn.
                self._dirty[path] = self._dirty.pop(path)
                return Task(path, ripe, unreadable)
        return None

    def _due(self, now: float) -> float | None:
        """When there may be a task, if nothing else happens."""
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
        """The watched folder that is or holds `folder`."""
        return next((path for path in self._dirty if is_in(folder, path)), None)
