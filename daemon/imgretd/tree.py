"""The watched tree: which folder each watch stands for, kept true by listing, never by believing events.

An event says only *look at this folder again*. Looking means: compare the subfolders on disk with those
that are watched, watch what is new (each **before** it is listed, so that nothing falls in between) and
forget what is gone. Every folder that came, went or had an event is reported as dirty.

The work is done in small steps (`look`), so that the owner can empty the kernel's queue between them.
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
    """All folders below one root, but for those that `skip` names, and their watches.

    `unwatched` holds the folders for which the kernel has no watch left: they are to be scanned by a timer.
    `refused` holds those that may not be watched or listed, by their permissions or by an error of the disk: they
    are to be looked at by a timer, and are reported when they can be listed again.
    Not thread-safe: one thread owns it.
    """

    def __init__(self, kernel: Inotify, root: bytes, skip: Callable[[bytes], bool]) -> None:
        self.root = root
        self.unwatched: set[bytes] = set()
        self.nomedia: set[bytes] = set()  # where a .nomedia came or went; the owner empties it
        self.refused: set[bytes] = set()
        self.looking_at: bytes | None = (
            None  # the folder that is being asked for now; other threads may read it
        )
        self._kernel = kernel
        self._skip = skip
        self._folder_of: dict[int, bytes] = {}
        self._watch_of: dict[bytes, int] = {}
        self._subfolders: dict[bytes, set[bytes]] = {}  # of each folder that was listed
        self._to_look_at: dict[bytes, bool] = {}  # folder -> with all that lies below it; in order

    @property
    def present(self) -> bool:
        """Is the root itself there and known?"""
        return self.root in self._subfolders

    @property
    def behind(self) -> bool:
        """Is there a folder still to look at?"""
        return bool(self._to_look_at)

    def __len__(self) -> int:
        return len(self._watch_of)

    def look_everywhere(self) -> None:
        """Queue the whole tree: at the start, and when events were lost or a mount changed."""
        self._to_look_at = {self.root: True}

    def look_again(self, folder: bytes) -> None:
        """Queue one folder."""
        self._to_look_at.setdefault(folder, False)

    def absorb(self, events: Iterable[Event]) -> tuple[set[bytes], bool]:
        """Take events in: the folders they touch, and whether events were lost (then look everywhere)."""
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
                    self.look_again(changed)
                continue
            touched.add(folder)
            if name == NOMEDIA:
                self.nomedia.add(folder)
            if mask & _GONE:
                # Where a moved folder went is not told. Forgotten, it is found again by its new parent.
                touched |= self._forget_below(folder)
                self.look_again(os.path.dirname(folder) if folder != self.root else folder)
            elif mask & inotify.ISDIR and mask & _RELIST:
                self.look_again(folder)
        return touched, lost

    def look(self, steps: int) -> set[bytes]:
        """Look at up to `steps` queued folders; gives the folders found new or gone."""
        dirty: set[bytes] = set()
        for _ in range(steps):
            if not self._to_look_at:
                break
            folder = next(iter(self._to_look_at))
            self._look_at(folder, dirty, everything=self._to_look_at.pop(folder))
        return dirty

    def _look_at(self, folder: bytes, dirty: set[bytes], *, everything: bool) -> None:
        self.looking_at = folder
        try:
            with self._reached(folder) as path:
                self._watch(folder, path, again=everything)
                with os.scandir(path) as entries:
                    found = {os.path.join(folder, entry.name) for entry in entries if _is_folder(entry)}
        except OSError as error:
            dirty.add(folder)
            if error.errno in _ABSENT:
                # Gone: its parent has an event of its own, or the next poll sees it.
                dirty.update(self._forget_below(folder))
            else:
                self.refused.add(folder)
            return
        finally:
            self.looking_at = None
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
                self._to_look_at[path] = self._to_look_at.get(path, False) or everything

    @contextlib.contextmanager
    def _reached(self, folder: bytes) -> Iterator[bytes]:
        """A path by which the kernel finds the folder, however long its own is. Raises OSError."""
        if len(folder) < _PATH_MAX:
            yield folder
            return
        with Descent(self.root) as descent:
            fd = descent.folder(os.path.relpath(folder, self.root))
            yield b"/proc/self/fd/%d/." % fd

    def _watch(self, folder: bytes, path: bytes, *, again: bool) -> None:
        """Watch the folder that `path` leads to. Raises OSError; that no watch is left is only remembered."""
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
            self._unwatch(folder)  # another folder lies here now: a mount, or a swap
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
        """Forget a folder and all below it; gives what was known there."""
        forgotten: set[bytes] = set()
        stack = [folder]
        while stack:
            path = stack.pop()
            self._unwatch(path)
            self.refused.discard(path)
            self._to_look_at.pop(path, None)
            below = self._subfolders.pop(path, None)
            if below is not None:
                forgotten.add(path)
                stack.extend(below)
        return forgotten


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # an entry with an error costs itself
        return False
