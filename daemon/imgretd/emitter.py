"""The thread that watches one root on Linux and turns inotify events into dirty folders.

watchdog's own emitter loses files in a burst of events and does not report an overflow of the queue. Here an event
names the *folder* to scan; a `TreeChanged` event means that everything below must be scanned: at the start, after an
overflow, after a file system was mounted or unmounted, and when a missing root is back.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from watchdog.events import DirModifiedEvent
from watchdog.observers.api import EventEmitter, EventQueue, ObservedWatch

from imgret.disk_calls import SILENCE_SECONDS
from imgret.mounts import Mount, parse_mounts
from imgretd.dirty import is_in
from imgretd.inotify import Inotify
from imgretd.tree import WatchedTree

log = logging.getLogger(__name__)

Skip = Callable[[bytes], bool]

# How often to check a missing root and folders that the kernel cannot watch.
POLL_SECONDS = 5.0
JOIN_SECONDS = 1.0  # how long to wait for a thread to end
_STEPS = 64  # folders listed between two reads of the queue, which holds 16,384 events by default
_MOUNTS = "/proc/self/mountinfo"


class TreeChanged(DirModifiedEvent):
    """Anything below `src_path` may have changed."""


class DirtyFolderEmitter(EventEmitter):
    """A watchdog emitter for one root that uses inotify and reports dirty folders."""

    def __init__(
        self,
        event_queue: EventQueue,
        watch: ObservedWatch,
        *,
        skip: Skip,
        poll_seconds: float = POLL_SECONDS,
        **timing: Any,
    ) -> None:
        super().__init__(event_queue, watch, **timing)
        self._root = os.fsencode(watch.raw_path)  # `watch.path` is the parent if the path is a file
        self._skip = skip
        self._poll_seconds = poll_seconds
        self._kernel = Inotify()
        self._tree = WatchedTree(self._kernel, self._root, skip)
        try:
            self._wake_up = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            self._kernel.close()
            raise
        self._wake_lock = threading.Lock()  # because the number of a closed descriptor may be reused
        self._rescan_requested = False
        self._rescanning = True  # the whole tree is being listed
        self._mounted: list[Mount] = []
        self._next_poll = 0.0
        self._beat = time.monotonic()

    @property
    def unwatched(self) -> int:
        """Return how many folders the kernel cannot watch; they are polled."""
        return len(self._tree.unwatched)

    @property
    def silent(self) -> bool:
        """Return whether its disk has not responded for SILENCE_SECONDS."""
        return self._tree.listing is not None and time.monotonic() - self._beat > SILENCE_SECONDS

    @property
    def heartbeat(self) -> float:
        """Return when the thread was last active (monotonic clock); the current time while it waits for the disk."""
        return self._beat if self.is_alive() and self._tree.listing is None else time.monotonic()

    def rescan(self) -> None:
        """Watch the whole tree again and report it as changed. Thread-safe."""
        self._rescan_requested = True
        self._wake()

    def on_thread_stop(self) -> None:
        """Called by watchdog's `stop`: end the poll at once."""
        self._wake()

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if no thread can be started."""
        try:
            super().start()
        except RuntimeError:
            self._close()
            raise

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end, but at most JOIN_SECONDS if a disk does not respond."""
        super().join(JOIN_SECONDS if timeout is None else timeout)

    def run(self) -> None:
        """Read events, list folders and report changes until stopped; after an exception, start again with a delay."""
        failed = 0
        try:
            while self.should_keep_running():
                try:
                    with open(_MOUNTS, "rb") as mounts:
                        self._watch_until_stopped(mounts.fileno())
                except Exception:
                    log.exception("Watching %s failed; it is scanned by a timer", os.fsdecode(self._root))
                    self.queue_event(TreeChanged(self._root))
                    failed += 1
                    self._beat = time.monotonic() + self._poll_seconds * failed
                    self.stopped_event.wait(self._poll_seconds * failed)
        finally:
            self._close()

    def _close(self) -> None:
        self._kernel.close()
        with self._wake_lock:
            os.close(self._wake_up)
            self._wake_up = -1

    def _watch_until_stopped(self, mounts: int) -> None:
        poll = select.poll()
        poll.register(self._kernel.fileno(), select.POLLIN)
        poll.register(self._wake_up, select.POLLIN)
        poll.register(mounts, select.POLLPRI | select.POLLERR)
        self._mounted = self._mounts_here(mounts)
        self._next_poll = time.monotonic() + self._poll_seconds
        self._rescanning = True
        self._tree.queue_all()
        while self.should_keep_running():
            self._beat = time.monotonic()
            wait = 0.0 if self._tree.behind else max(0.0, self._next_poll - time.monotonic())
            ready = dict(poll.poll(wait * 1000))
            if self._wake_up in ready:
                os.eventfd_read(self._wake_up)
            touched, overflow = self._tree.process_events(self._kernel.read())
            touched |= self._polled()
            if overflow or self._is_rescan_requested() or (mounts in ready and self._remounted(mounts)):
                self._rescanning = True
                self._tree.queue_all()  # folders listed before may have changed without an event
            touched |= self._tree.list_queued(_STEPS)
            self._report(touched)
            self._report_nomedia()

    def _report(self, touched: set[bytes]) -> None:
        """Report single folders, or the whole tree once all of it was listed."""
        if not self._rescanning:
            for folder in touched:
                self.queue_event(DirModifiedEvent(folder))
        elif not self._tree.behind:
            self._rescanning = False
            self.queue_event(TreeChanged(self._root))

    def _report_nomedia(self) -> None:
        """Report the trees in which a `.nomedia` was created or deleted."""
        while self._tree.nomedia:
            self.queue_event(TreeChanged(self._tree.nomedia.pop()))

    def _polled(self) -> set[bytes]:
        """Every poll interval, return the unwatched folders, and check folders without access and a missing root."""
        if time.monotonic() < self._next_poll:
            return set()
        self._next_poll = time.monotonic() + self._poll_seconds
        for folder in self._tree.unwatched | self._tree.refused:
            self._tree.queue_folder(folder)
        if not self._tree.present:
            self._tree.listing = self._root
            self._rescan_requested |= os.path.isdir(self._root)
            self._tree.listing = None
        return set(self._tree.unwatched)

    def _is_rescan_requested(self) -> bool:
        if not self._rescan_requested:
            return False
        self._rescan_requested = False
        return True

    def _remounted(self, mounts: int) -> bool:
        before, self._mounted = self._mounted, self._mounts_here(mounts)
        return self._mounted != before

    def _mounts_here(self, mounts: int) -> list[Mount]:
        """Return the mounts at, above and below this root."""
        text = b""
        os.lseek(mounts, 0, os.SEEK_SET)
        while part := os.read(mounts, 1 << 16):
            text += part
        return [
            mount
            for mount in parse_mounts(text)
            if is_in(mount.point, self._root) or is_in(self._root, mount.point)
        ]

    def _wake(self) -> None:
        with self._wake_lock:
            if self._wake_up >= 0:
                os.eventfd_write(self._wake_up, 1)
