"""The folders to keep in sync: from the configuration to roots in the index, watches and timers.

A folder inside another configured one is covered by that one. Folders on network file systems, and folders that the
system cannot watch, are scanned by a timer. All folders are scanned every few hours, and after a suspend.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence

from imgret import disk_calls, inputs
from imgret.config import Settings
from imgret.disk_calls import SHORT_WAIT_SECONDS, silent_disks
from imgret.errors import DaemonError
from imgret.exclude import Exclude
from imgret.mounts import network_mounts
from imgret.store import paths
from imgret.store.interface import Store
from imgret.store.records import Root
from imgret.sync import add_root
from imgretd.dirty import is_in
from imgretd.emitter import POLL_SECONDS, Skip
from imgretd.reconciler import Reconciler
from imgretd.watch import Watcher
from imgretd.watched import WatchedFolder

log = logging.getLogger(__name__)

Clock = Callable[[], float]  # seconds

SUSPENDED_SECONDS = 5.0  # a longer suspend since the last tick triggers a scan


def slept() -> float:
    """Return how many seconds this machine has been suspended since it was booted; 0 if unknown."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Folders:
    """Passes watched folders to the reconciler, and marks them as dirty by timers.

    Methods are called on one thread; any thread may read the properties.
    """

    def __init__(self, reconciler: Reconciler, awake: Clock = time.monotonic, slept: Clock = slept) -> None:
        self._reconciler = reconciler
        self._watched: dict[bytes, WatchedFolder] = {}
        self._scanned_once: dict[bytes, WatchedFolder] = {}  # requested once: scanned, but not watched
        self._by_timer: set[bytes] = set()
        self._watcher: Watcher | None = None
        self._rules: tuple[object, ...] = ()
        self._full_scan_seconds = self._timer_seconds = 3600.0
        self._awake, self._slept = awake, slept
        self._last_full_scan = self._last_timer = awake()
        self._slept_before = slept()
        self.at: bytes | None = None  # the folder that is being accessed; its disk may not respond
        self._next_try = awake() + POLL_SECONDS
        self._logged: list[str] = []

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def unwatched(self) -> int:
        """Return how many folders the kernel cannot watch (`fs.inotify.max_user_watches`); they are polled."""
        watcher = self._watcher  # read once: `configure` replaces it on another thread
        return watcher.unwatched if watcher is not None else 0

    @property
    def unwatchable(self) -> list[str]:
        """Return messages about folders that cannot be watched and are scanned every few seconds instead."""
        watcher = self._watcher
        found = watcher.unwatchable if watcher is not None else {}
        return [f"{os.fsdecode(path)} is scanned by a timer: {reason}" for path, reason in found.items()]

    @property
    def silent(self) -> list[bytes]:
        """Return the watched folders whose disks do not respond."""
        watcher = self._watcher
        return sorted({*silent_disks(), *(watcher.silent if watcher is not None else [])})

    @property
    def heartbeat(self) -> float:
        """Return when the watching thread that has been inactive longest was last active (monotonic clock)."""
        watcher = self._watcher
        return watcher.heartbeat if watcher is not None else time.monotonic()

    def configure(self, store: Store, settings: Settings) -> None:
        """Watch exactly the configured folders, and scan all of them now, because a new disk may be accepted.

        Raises DaemonError if no thread can be started.
        """
        rules = Exclude(settings.exclude, hidden=settings.hidden)
        wanted = self._resolved([inputs.path_bytes(folder) for folder in settings.folders], store.roots.all())
        watched = {path: _watched(store, path, watch=True) for path in paths.outermost(wanted)}
        for root in store.roots.all():
            if root.watched and not any(is_in(path, root.path) for path in watched):
                store.roots.add(root.path, watched=False)
        self._full_scan_seconds = settings.daemon.full_scan_hours * 3600
        self._timer_seconds = settings.daemon.network_scan_minutes * 60
        self._watched = watched
        self._scanned_once = {
            path: each
            for path, each in self._scanned_once.items()
            if path not in watched and store.roots.enclosing(path) is not None
        }
        self._reconciler.keep({**self._scanned_once, **watched}, settings)
        identity = (settings.exclude, settings.hidden)
        if self._watcher is None or identity != self._rules:
            self._rules = identity
            self.stop()
            try:
                self._watcher = Watcher(
                    self._reconciler.touch, self._reconciler.touch_tree, self._skip(rules)
                )
            except RuntimeError:
                raise DaemonError(
                    "no further thread can be started to watch folders", "The daemon tries again."
                ) from None
        self._watcher.rescan()
        self._by_timer = {path for path in watched if path in network_mounts(path)}
        self._watcher.watch(watched.keys() - self._by_timer)
        self._log_unwatchable()
        for path in self._by_timer:
            self._reconciler.touch_tree(path)

    def scan_once(self, store: Store, paths: Sequence[bytes]) -> None:
        """Scan these folders once now, whether they are watched or not."""
        for path in paths:
            if not any(is_in(path, known) for known in self._watched):
                self._scanned_once[path] = _watched(store, path, watch=False)
        self._reconciler.keep({**self._scanned_once, **self._watched}, self._reconciler.settings)
        for path in paths:
            self._reconciler.touch_tree(path)

    def tick(self) -> None:
        """Mark folders as dirty by their timers, and all folders after a suspend. Call it about once a second."""
        if self._watcher is None:
            return
        now, slept = self._awake(), self._slept()
        if self._watcher.unwatchable and now >= self._next_try:
            self._next_try = now + max(POLL_SECONDS, 10 * self._reconciler.tree_seconds)
            self._watcher.watch(self._watched.keys() - self._by_timer)
            self._log_unwatchable()
        if now - self._last_timer >= self._timer_seconds:
            self._last_timer = now
            on_network = (network_mounts(path) for path in self._watched)
            for path in set[bytes]().union(*on_network):
                self._reconciler.touch_tree(path)
        if (
            now - self._last_full_scan >= self._full_scan_seconds
            or slept - self._slept_before > SUSPENDED_SECONDS
        ):
            self._last_full_scan = now
            self._watcher.rescan()
            for path in self._by_timer:
                self._reconciler.touch_tree(path)
        self._slept_before = slept

    def _log_unwatchable(self) -> None:
        sentences = self.unwatchable
        for sentence in sentences:
            if sentence not in self._logged:
                log.warning("%s", sentence)
        self._logged = sentences

    def stop(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    def _resolved(self, paths: list[bytes], known: Iterable[Root]) -> list[bytes]:
        """Resolve the symlinks in paths; a path whose disk does not respond is returned unchanged.

        For a path that already is a root in the index, wait only SHORT_WAIT_SECONDS.
        """
        before = {root.path for root in known}
        found = disk_calls.call_each(paths, os.path.realpath, SHORT_WAIT_SECONDS)
        for path in paths:
            self.at = path
            if path not in found:
                as_it_is = os.path.abspath(path)
                found[path] = as_it_is if as_it_is in before else disk_calls.resolved(path)
        self.at = None
        return list(found.values())

    def _skip(self, rules: Exclude) -> Skip:
        def skip(folder: bytes) -> bool:
            above, name = os.path.split(folder)
            for each in self._watched.values():
                inside = paths.relative(each.root.path, above)
                if inside is not None:
                    return rules.excludes_folder(inside, name)
            return False

        return skip


def _watched(store: Store, path: bytes, *, watch: bool) -> WatchedFolder:
    root, inside = add_root(store, path)
    if watch and not inside and not root.watched:
        root = store.roots.add(root.path, watched=True)
    return WatchedFolder(path, root, inside)
