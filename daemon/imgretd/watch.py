"""Watch roots and report every folder in which something changed.

watchdog is the observer on every platform; on Linux it uses the emitter of `imgretd.emitter`.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable

from watchdog.events import DirModifiedEvent, FileSystemEvent, FileSystemEventHandler, FileSystemMovedEvent
from watchdog.observers.api import BaseObserver, ObservedWatch

from imgret import disk_calls
from imgret.disk_calls import NotResponding
from imgret.exclude import NOMEDIA
from imgretd.emitter import JOIN_SECONDS, POLL_SECONDS, DirtyFolderEmitter, Skip, TreeChanged

log = logging.getLogger(__name__)

DirtyFolder = Callable[[bytes], None]


class _ToFolders(FileSystemEventHandler):
    """Converts the events of any platform to dirty folders."""

    def __init__(self, on_folder: DirtyFolder, on_tree: DirtyFolder) -> None:
        self._on_folder = on_folder
        self._on_tree = on_tree

    def dispatch(self, event: FileSystemEvent) -> None:
        """Handle one event. Never raises, because the observer's thread must not end."""
        try:
            self._dispatch(event)
        except Exception:
            log.exception(
                "An event of the folder watcher was lost; the next full scan finds what it was about"
            )

    def _dispatch(self, event: FileSystemEvent) -> None:
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
                elif os.path.basename(path) == NOMEDIA:
                    self._on_tree(os.path.dirname(path))


class Watcher:
    """Watches roots, and reports dirty folders by two callbacks on its own thread."""

    def __init__(
        self, on_folder: DirtyFolder, on_tree: DirtyFolder, skip: Skip, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._handler = _ToFolders(on_folder, on_tree)
        self._watches: dict[bytes, ObservedWatch] = {}
        # root -> why it cannot be watched, e.g. because no inotify instance or no thread is left. Replaced, never changed:
        # the event loop reads it.
        self.unwatchable: dict[bytes, str] = {}
        self._observer = _observer(skip, poll_seconds)
        self._observer.start()

    @property
    def unwatched(self) -> int:
        """Return how many folders of all roots the kernel cannot watch (`fs.inotify.max_user_watches`)."""
        return sum(emitter.unwatched for emitter in self._emitters())

    @property
    def heartbeat(self) -> float:
        """Return when the thread that has been inactive longest was last active (monotonic clock)."""
        return min((emitter.heartbeat for emitter in self._emitters()), default=time.monotonic())

    @property
    def silent(self) -> list[bytes]:
        """Return the roots whose disks do not respond."""
        return [os.fsencode(emitter.watch.raw_path) for emitter in self._emitters() if emitter.silent]

    def watch(self, roots: Iterable[bytes]) -> None:
        """Watch exactly these roots (absolute paths) from now on; a new one is reported as changed.

        A root that cannot be watched is in `unwatchable`, and each call reports it as changed.
        """
        wanted = set(roots)
        for root in self._watches.keys() - wanted:
            self._observer.unschedule(self._watches.pop(root))
        new = wanted - self._watches.keys()
        # watchdog accesses the disk without a time limit, so check first that it responds.
        responding = disk_calls.call_each(new, os.path.isdir, disk_calls.SHORT_WAIT_SECONDS)
        unwatchable: dict[bytes, str] = {}
        for root in new:
            try:
                if root not in responding:
                    raise NotResponding(root)
                self._watches[root] = self._observer.schedule(
                    self._handler, os.fsdecode(root), recursive=True
                )
            except OSError as error:
                limit = "; raise fs.inotify.max_user_instances" if error.errno == errno.EMFILE else ""
                unwatchable[root] = f"{error.strerror}{limit}"
            except NotResponding:
                unwatchable[root] = "its disk does not respond"
            except RuntimeError:
                unwatchable[root] = "no further thread can be started"
            if sys.platform != "linux" or root in unwatchable:
                self._handler.dispatch(TreeChanged(root))
        self.unwatchable = unwatchable

    def _emitters(self) -> list[DirtyFolderEmitter]:
        """Return the emitters, from a copy of watchdog's set: other threads read them while it changes."""
        return [each for each in self._observer.emitters.copy() if isinstance(each, DirtyFolderEmitter)]

    def rescan(self) -> None:
        """Report every root as changed, and watch its folders again."""
        for emitter in self._observer.emitters.copy():
            if isinstance(emitter, DirtyFolderEmitter):
                emitter.rescan()
            else:
                self._handler.dispatch(TreeChanged(emitter.watch.path))

    def stop(self) -> None:
        """Stop watching and wait for the threads, but not for disks that do not respond."""
        self._observer.stop()
        self._observer.join(JOIN_SECONDS)


def _observer(skip: Skip, poll_seconds: float) -> BaseObserver:
    if sys.platform == "linux":
        return BaseObserver(DirtyFolderEmitter, skip=skip, poll_seconds=poll_seconds)
    from watchdog.observers import Observer

    return Observer()
