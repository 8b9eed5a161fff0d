"""Watched roots -> dirty folders. Promises that no change in a watched root stays untold.

watchdog is the observer on every platform. On Linux it is given an emitter of our own, since its own one
loses files in a burst and keeps an overflow of the queue to itself. An event says which *folder* to scan;
a `TreeChanged` event says that everything below must be scanned: at the start, after an overflow, when a
filesystem was mounted or unmounted, and when a root came back.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from watchdog.events import DirModifiedEvent, FileSystemEvent, FileSystemEventHandler, FileSystemMovedEvent
from watchdog.observers.api import BaseObserver, EventEmitter, EventQueue, ObservedWatch

from imgretd.inotify import Inotify
from imgretd.tree import WatchedTree

DirtyFolder = Callable[[bytes], None]
Skip = Callable[[bytes], bool]

# What the kernel refuses to watch, and a root that is not there, is looked at this often (seconds).
POLL_SECONDS = 5.0
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
        self._wake_up = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._wake_lock = threading.Lock()  # a closed descriptor's number may be another file's by now
        self._everywhere_asked = False

    @property
    def unwatched(self) -> int:
        """How many folders the kernel refuses to watch; they are polled."""
        return len(self._tree.unwatched)

    def look_everywhere(self) -> None:
        """Watch the whole tree anew and report it as changed; may be called from any thread."""
        self._everywhere_asked = True
        self._wake()

    def on_thread_stop(self) -> None:
        """watchdog's `stop`: leave the poll at once."""
        self._wake()

    def run(self) -> None:
        """The thread: read, look, report; until stopped."""
        with open(_MOUNTS, "rb") as mounts:
            try:
                self._watch_until_stopped(mounts.fileno())
            finally:
                self._kernel.close()
                with self._wake_lock:
                    os.close(self._wake_up)
                    self._wake_up = -1

    def _watch_until_stopped(self, mounts: int) -> None:
        poll = select.poll()
        poll.register(self._kernel.fileno(), select.POLLIN)
        poll.register(self._wake_up, select.POLLIN)
        poll.register(mounts, select.POLLPRI | select.POLLERR)
        mounted = self._mounted(mounts)
        everywhere, next_poll = True, time.monotonic() + self._poll_seconds
        self._tree.look_everywhere()
        while self.should_keep_running():
            wait = 0.0 if self._tree.behind else max(0.0, next_poll - time.monotonic())
            ready = dict(poll.poll(wait * 1000))
            if self._wake_up in ready:
                os.eventfd_read(self._wake_up)
            lost = self._everywhere_asked
            self._everywhere_asked = False
            if mounts in ready:
                now = self._mounted(mounts)
                lost, mounted = lost or now != mounted, now
            touched, overflow = self._tree.absorb(self._kernel.read())
            if time.monotonic() >= next_poll:
                next_poll = time.monotonic() + self._poll_seconds
                touched |= self._tree.unwatched
                for folder in self._tree.unwatched:
                    self._tree.look_again(folder)
                lost = lost or (not self._tree.present and not everywhere and os.path.isdir(self._root))
            if lost or overflow:
                everywhere = True
                self._tree.look_everywhere()
            touched |= self._tree.look(_STEPS)
            if everywhere and not self._tree.behind:
                everywhere = False
                self.queue_event(TreeChanged(self._root))
            elif not everywhere:  # else told by the TreeChanged that follows
                for folder in touched:
                    self.queue_event(DirModifiedEvent(folder))

    def _mounted(self, mounts: int) -> list[bytes]:
        """The lines of mountinfo that concern this root: mounts on, above and below it."""
        size, text = 1 << 16, b""
        os.lseek(mounts, 0, os.SEEK_SET)
        while part := os.read(mounts, size):
            text += part
        inside = self._root.rstrip(b"/") + b"/"
        return [
            line
            for line in text.splitlines()
            if (point := _unescaped(line.split(b" ", 5)[4]).rstrip(b"/") + b"/").startswith(inside)
            or inside.startswith(point)
        ]

    def _wake(self) -> None:
        with self._wake_lock:
            if self._wake_up >= 0:
                os.eventfd_write(self._wake_up, 1)


class _ToFolders(FileSystemEventHandler):
    """Any platform's events -> dirty folders."""

    def __init__(self, on_folder: DirtyFolder, on_tree: DirtyFolder) -> None:
        self._on_folder = on_folder
        self._on_tree = on_tree

    def dispatch(self, event: FileSystemEvent) -> None:
        """One event, on the observer's thread."""
        source = os.fsencode(event.src_path)
        if isinstance(event, TreeChanged):
            self._on_tree(source)
        elif type(event) is DirModifiedEvent:
            self._on_folder(source)
        else:
            ends = [source]
            if isinstance(event, FileSystemMovedEvent):
                ends.append(os.fsencode(event.dest_path))
            for path in ends:
                self._on_folder(os.path.dirname(path))
                if event.is_directory:
                    self._on_tree(path)


class Watcher:
    """The roots that are watched now; tells dirty folders through two callbacks, on a thread of its own."""

    def __init__(
        self, on_folder: DirtyFolder, on_tree: DirtyFolder, skip: Skip, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._handler = _ToFolders(on_folder, on_tree)
        self._watches: dict[bytes, ObservedWatch] = {}
        self.unwatchable: set[bytes] = set()  # roots for which the kernel has no inotify instance left
        self._observer = _observer(skip, poll_seconds)
        self._observer.start()

    @property
    def unwatched(self) -> int:
        """Folders that the kernel refuses to watch, over all roots (`fs.inotify.max_user_watches`)."""
        return sum(e.unwatched for e in self._observer.emitters if isinstance(e, DirtyFolderEmitter))

    def watch(self, roots: Iterable[bytes]) -> None:
        """Watch exactly these roots (absolute paths) from now on; a new one is reported as changed."""
        wanted = set(roots)
        for root in self._watches.keys() - wanted:
            self._observer.unschedule(self._watches.pop(root))
        self.unwatchable.clear()
        for root in wanted - self._watches.keys():
            try:
                self._watches[root] = self._observer.schedule(
                    self._handler, os.fsdecode(root), recursive=True
                )
            except OSError:
                self.unwatchable.add(root)
            if sys.platform != "linux" or root in self.unwatchable:
                self._handler.dispatch(TreeChanged(root))

    def look_everywhere(self) -> None:
        """Report every root as changed, and renew its watches."""
        for emitter in self._observer.emitters.copy():
            if isinstance(emitter, DirtyFolderEmitter):
                emitter.look_everywhere()
            else:
                self._handler.dispatch(TreeChanged(emitter.watch.path))

    def _schedule(self, root: bytes) -> ObservedWatch:
        return self._observer.schedule(self._handler, os.fsdecode(root), recursive=True)

    def stop(self) -> None:
        """Stop watching and wait for the threads."""
        self._observer.stop()
        self._observer.join()


def _observer(skip: Skip, poll_seconds: float) -> BaseObserver:
    if sys.platform == "linux":
        return BaseObserver(DirtyFolderEmitter, skip=skip, poll_seconds=poll_seconds)
    from watchdog.observers import Observer

    return Observer()


def _unescaped(path: bytes) -> bytes:
    """mountinfo writes space, tab, newline and backslash as octal escapes."""
    for escape, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        path = path.replace(escape, character)
    return path
