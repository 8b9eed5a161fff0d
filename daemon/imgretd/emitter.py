"""The thread that watches one root on Linux: inotify events -> dirty folders, and nothing finer.

watchdog's own emitter loses files in a burst and keeps an overflow of the queue to itself. An event says which
*folder* to scan; a `TreeChanged` event says that everything below must be scanned: at the start, after an
overflow, when a filesystem was mounted or unmounted, and when a root came back.
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

# What the kernel refuses to watch, and a root that is not there, is looked at this often (seconds).
POLL_SECONDS = 5.0
JOIN_SECONDS = 1.0  # that a thread is waited for when it was told to end
_STEPS = 64  # folders listed between two reads of the queue, which holds 16,384 events by default
_MOUNTS = "/proc/self/mountinfo"


class TreeChanged(DirModifiedEvent):
    """Anything below `src_path` may have changed."""


class DirtyFolderEmitter(EventEmitter):
    """watchdog's emitter for one root, on inotify: tells dirty folders and nothing finer."""

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
        self._root = os.fsencode(watch.raw_path)  # `path` is the parent when a file lies there
        self._skip = skip
        self._poll_seconds = poll_seconds
        self._kernel = Inotify()
        self._tree = WatchedTree(self._kernel, self._root, skip)
        try:
            self._wake_up = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            self._kernel.close()
            raise
        self._wake_lock = threading.Lock()  # a closed descriptor's number may be another file's by now
        self._everywhere_asked = False
        self._everywhere = True  # the whole tree is being looked at
        self._mounted: list[Mount] = []
        self._next_poll = 0.0
        self._beat = time.monotonic()

    @property
    def unwatched(self) -> int:
        """How many folders the kernel refuses to watch; they are polled."""
        return len(self._tree.unwatched)

    @property
    def silent(self) -> bool:
        """Whether its disk has not answered for a while."""
        return self._tree.looking_at is not None and time.monotonic() - self._beat > SILENCE_SECONDS

    @property
    def heartbeat(self) -> float:
        """When the thread gave its last sign of life; now while it waits for the disk."""
        return self._beat if self.is_alive() and self._tree.looking_at is None else time.monotonic()

    def look_everywhere(self) -> None:
        """Watch the whole tree anew and report it as changed; may be called from any thread."""
        self._everywhere_asked = True
        self._wake()

    def on_thread_stop(self) -> None:
        """watchdog's `stop`: leave the poll at once."""
        self._wake()

    def start(self) -> None:
        """Raises RuntimeError when the system has no thread left."""
        try:
            super().start()
        except RuntimeError:
            self._close()
            raise

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, but not for a disk that does not answer."""
        super().join(JOIN_SECONDS if timeout is None else timeout)

    def run(self) -> None:
        """The thread: read, look, report; until stopped. Whatever goes wrong, it begins again after a while."""
        failed = 0
        try:
            while self.should_keep_running():
                try:
                    with open(_MOUNTS, "rb") as mounts:
                        self._watch_until_stopped(mounts.fileno())
                except Exception:
                    log.exception("Watching %s failed; it is looked at by a timer", os.fsdecode(self._root))
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
        self._everywhere = True
        self._tree.look_everywhere()
        while self.should_keep_running():
            self._beat = time.monotonic()
            wait = 0.0 if self._tree.behind else max(0.0, self._next_poll - time.monotonic())
            ready = dict(poll.poll(wait * 1000))
            if self._wake_up in ready:
                os.eventfd_read(self._wake_up)
            touched, overflow = self._tree.absorb(self._kernel.read())
            touched |= self._polled()
            if overflow or self._was_asked() or (mounts in ready and self._remounted(mounts)):
                self._everywhere = True
                self._tree.look_everywhere()  # from the start: what was looked at may have changed unheard
            touched |= self._tree.look(_STEPS)
            self._report(touched)
            self._report_nomedia()

    def _report(self, touched: set[bytes]) -> None:
        """Tell single folders, or once the whole tree has been looked at, that."""
        if not self._everywhere:
            for folder in touched:
                self.queue_event(DirModifiedEvent(folder))
        elif not self._tree.behind:
            self._everywhere = False
            self.queue_event(TreeChanged(self._root))

    def _report_nomedia(self) -> None:
        """A .nomedia that came or went is about all that lies below its folder."""
        while self._tree.nomedia:
            self.queue_event(TreeChanged(self._tree.nomedia.pop()))

    def _polled(self) -> set[bytes]:
        """Now and then: the folders that cannot be watched, and a root that was away and is back."""
        if time.monotonic() < self._next_poll:
            return set()
        self._next_poll = time.monotonic() + self._poll_seconds
        for folder in self._tree.unwatched | self._tree.refused:
            self._tree.look_again(folder)
        if not self._tree.present:
            self._tree.looking_at = self._root
            self._everywhere_asked |= os.path.isdir(self._root)
            self._tree.looking_at = None
        return set(self._tree.unwatched)

    def _was_asked(self) -> bool:
        if not self._everywhere_asked:
            return False
        self._everywhere_asked = False
        return True

    def _remounted(self, mounts: int) -> bool:
        before, self._mounted = self._mounted, self._mounts_here(mounts)
        return self._mounted != before

    def _mounts_here(self, mounts: int) -> list[Mount]:
        """The mounts that concern this root: on, above and below it."""
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
