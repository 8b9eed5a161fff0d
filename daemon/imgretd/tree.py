"""The watched tree: the folder of each inotify watch, kept in sync by listing folders, not by interpreting events.

An event only means that a folder has to be listed again. Listing compares the subfolders on disk with the watched ones,
watches new ones (each **before** it is listed, so that no change is missed) and forgets those that are missing. Every
folder that is new, missing or had an event is reported as dirty.

The work is done in small steps (`list_queued`), so that the owner can empty the kernel's queue between them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator

from imgret.exclude import NOMEDIA
from imgret.safe_open import Descent
from imgretd import inotify
from imgretd.inotify import Event, Inotify

_RELIST = inotify.CREATE | inotify.DELETE | inotify.MOVED_FROM | inotify.MOVED_TO
_GONE = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT | inotify.IGNORED
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_NO_WATCH_LEFT = {errno.ENOSPC, errno.ENOMEM}
_PATH_MAX = 4096  # bytes, the closing NUL included; limits.h


class WatchedTree:
    """All folders below one root and their watches, except folders for which `skip` returns True.

    `unwatched` contains the folders for which the kernel has no watch left; scan them by a timer. `refused` contains
    the folders that cannot be watched or listed because of their permissions or a disk error; list them by a timer,
    and they are reported when they can be listed again. Not thread-safe.
    """

    def __init__(self, kernel: Inotify, root: bytes, skip: Callable[[bytes], bool]) -> None:
        self.root = root
        self.unwatched: set[bytes] = set()
        self.nomedia: set[bytes] = (
            set()
        )  # folders where a .nomedia was created or deleted; emptied by the owner
        self.refused: set[bytes] = set()
        self.listing: bytes | None = None  # the folder that is being listed now; other threads may read it
        self._kernel = kernel
        self._skip = skip
        self._folder_of: dict[int, bytes] = {}
        self._watch_of: dict[bytes, int] = {}
        self._subfolders: dict[bytes, set[bytes]] = {}  # of each folder that was listed
        self._queued: dict[bytes, bool] = {}  # folder -> with everything below it; in order

    @property
    def present(self) -> bool:
        """Return whether the root exists and was listed."""
        return self.root in self._subfolders

    @property
    def behind(self) -> bool:
        """Return whether a folder is still to be listed."""
        return bool(self._queued)

    def __len__(self) -> int:
        return len(self._watch_of)

    def queue_all(self) -> None:
        """Queue the whole tree: at the start, and when events were lost or a mount changed."""
        self._queued = {self.root: True}

    def queue_folder(self, folder: bytes) -> None:
        """Queue one folder."""
        self._queued.setdefault(folder, False)

    def process_events(self, events: Iterable[Event]) -> tuple[set[bytes], bool]:
        """Process events. Returns the folders concerned, and whether events were lost (then call `queue_all`)."""
        touched: set[bytes] = set()
        lost = False
        for watch, mask, name in events:
            if mask & inotify.Q_OVERFLOW:
                lost = True
                continue
            folder = self._folder_of.get(watch)
            if folder is None:
                continue
            if mask & inotify.ATTRIB and mask & inotify.ISDIR:  # its permissions, perhaps
                changed = os.path.join(folder, name) if name else folder
                if not (name and self._skip(changed)):
                    touched.add(changed)
                    self.queue_folder(changed)
                continue
            touched.add(folder)
            if name == NOMEDIA:
                self.nomedia.add(folder)
            if mask & _GONE:
                # The new path of a moved folder is unknown; it is found when its new parent is listed.
                touched |= self._forget_below(folder)
                self.queue_folder(os.path.dirname(folder) if folder != self.root else folder)
            elif mask & inotify.ISDIR and mask & _RELIST:
                self.queue_folder(folder)
        return touched, lost

    def list_queued(self, steps: int) -> set[bytes]:
        """List up to `steps` queued folders. Returns the folders that are new or missing."""
        dirty: set[bytes] = set()
        for _ in range(steps):
            if not self._queued:
                break
            folder = next(iter(self._queued))
            self._list_folder(folder, dirty, everything=self._queued.pop(folder))
        return dirty

    def _list_folder(self, folder: bytes, dirty: set[bytes], *, everything: bool) -> None:
        self.listing = folder
        try:
            with self._reached(folder) as path:
                self._watch(folder, path, again=everything)
                with os.scandir(path) as entries:
                    found = {os.path.join(folder, entry.name) for entry in entries if _is_folder(entry)}
        except OSError as error:
            dirty.add(folder)
            if error.errno in _ABSENT:
                # It was deleted: its parent has an event too, or the next poll notices.
                dirty.update(self._forget_below(folder))
            else:
                self.refused.add(folder)
            return
        finally:
            self.listing = None
        if folder in self.refused:
            self.refused.discard(folder)
            dirty.add(folder)
        found = {path for path in found if not self._skip(path)}
        for path in self._subfolders.get(folder, set()) - found:
            dirty.update(self._forget_below(path))
        self._subfolders[folder] = found
        for path in found:
            known = path in self._subfolders and (path in self._watch_of or path in self.unwatched)
            if everything or not known:
                if not known:
                    dirty.add(path)
                self._queued[path] = self._queued.get(path, False) or everything

    @contextlib.contextmanager
    def _reached(self, folder: bytes) -> Iterator[bytes]:
        """Yield a path of the folder that is shorter than PATH_MAX. Raises OSError."""
        if len(folder) < _PATH_MAX:
            yield folder
            return
        with Descent(self.root) as descent:
            fd = descent.folder(os.path.relpath(folder, self.root))
            yield b"/proc/self/fd/%d/." % fd

    def _watch(self, folder: bytes, path: bytes, *, again: bool) -> None:
        """Watch the folder at `path`, or add it to `unwatched` if no watch is left. Raises other OSErrors."""
        if folder in self._watch_of and not again:
            return
        try:
            watch = self._kernel.watch_folder(path)
        except OSError as error:
            self._unwatch(folder)
            if error.errno not in _NO_WATCH_LEFT:
                raise
            self.unwatched.add(folder)
            return
        self.unwatched.discard(folder)
        before = self._watch_of.get(folder)
        if before is not None and before != watch:
            self._unwatch(folder)  # another folder is at this path now, by a mount or a replacement
        elsewhere = self._folder_of.get(watch)
        if elsewhere is not None and elsewhere != folder:
            self._watch_of.pop(elsewhere, None)  # the same folder under a new name keeps its watch
        self._folder_of[watch] = folder
        self._watch_of[folder] = watch

    def _unwatch(self, folder: bytes) -> None:
        self.unwatched.discard(folder)
        watch = self._watch_of.pop(folder, None)
        if watch is not None and self._folder_of.get(watch) == folder:
            del self._folder_of[watch]
            self._kernel.forget(watch)

    def _forget_below(self, folder: bytes) -> set[bytes]:
        """Forget a folder and all folders below it, and return them."""
        forgotten: set[bytes] = set()
        stack = [folder]
        while stack:
            path = stack.pop()
            self._unwatch(path)
            self.refused.discard(path)
            self._queued.pop(path, None)
            below = self._subfolders.pop(path, None)
            if below is not None:
                forgotten.add(path)
                stack.extend(below)
        return forgotten


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # an unreadable entry does not affect the others
        return False
