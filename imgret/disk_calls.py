"""Run disk calls that may never return on threads of their own, with a time limit.

A read from a failing disk or an unreachable server can block in the kernel, where nothing can interrupt it.
Such a thread is abandoned. It is a daemon thread, so the program can still exit, and the number of abandoned
threads is limited for each disk. The limit applies to the time without progress, not to the whole call, because
reading a large file may take long.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from imgret.errors import ImgretError

T = TypeVar("T")
log = logging.getLogger(__name__)

SILENCE_SECONDS = 15.0  # a hard disk that was asleep spins up within 10 s
SHORT_WAIT_SECONDS = 1.0  # for callers that block others and can use the result later
MOST_STUCK = 8  # abandoned threads for one disk
_POLL_SECONDS = 0.25  # how often a waiting caller checks whether it should stop

_lock = threading.Lock()
_dropped: dict[bytes, list[DiskCall[object]]] = {}  # abandoned calls, by disk


class NotResponding(ImgretError):
    """A disk did not respond in time. `path` is the path that was accessed."""

    hint = "Check the disk, or the server behind it; imgret tries again later."

    def __init__(self, path: bytes) -> None:
        super().__init__(f"{os.fsdecode(path)} cannot be read: its disk does not respond")
        self.path = path


class _Dropped(BaseException):
    """Ends an abandoned call. Not an Exception, so a job that catches Exception does not catch it."""


class DiskCall(Generic[T]):
    """One running call. MOST_STUCK limits the calls with the same `disk`, which usually is the watched folder."""

    def __init__(self, disk: bytes, path: bytes, job: Callable[[DiskCall[T]], T]) -> None:
        """Start `job`, which reports its progress by calling `touch`.

        Raises NotResponding immediately if too many calls to this disk are stuck. If no thread can be started,
        the job runs in the caller's thread, without a time limit.
        """
        if len(stuck(disk)) >= MOST_STUCK:
            raise NotResponding(path)
        self.disk = disk
        self.path = path
        self.since = time.monotonic()
        self._job = job
        self._is_dropped = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._finished = threading.Event()
        try:
            threading.Thread(target=self._run, name="disk", daemon=True).start()
        except RuntimeError:
            log.warning("No further thread can be started: files are read without a time limit")
            self._run()

    def touch(self, path: bytes | None = None) -> None:
        """Report progress: the job accesses `path` next (None: the same path as before). Ends an abandoned job."""
        if self._is_dropped:
            raise _Dropped
        if path is not None:
            self.path = path
        self.since = time.monotonic()

    @property
    def finished(self) -> bool:
        """Return whether the job has returned or raised."""
        return self._finished.is_set()

    @property
    def silent(self) -> bool:
        """Return whether the job has made no progress for longer than SILENCE_SECONDS."""
        return not self.finished and time.monotonic() - self.since > SILENCE_SECONDS

    def drop(self) -> None:
        """Abandon the job: it ends at its next `touch`, or stays stuck in the kernel."""
        with _lock:
            if not self.finished:
                self._is_dropped = True
                _dropped.setdefault(self.disk, []).append(self)  # type: ignore[arg-type]

    def result(self, stopped: Callable[[], bool] = lambda: False) -> T:
        """Wait for the job and return its value, or raise its exception.

        Raises NotResponding after SILENCE_SECONDS without progress, or as soon as `stopped()` is true; the job is
        then abandoned.
        """
        try:
            while not self._finished.wait(_POLL_SECONDS):
                if self.silent or stopped():
                    raise NotResponding(self.path)
        except BaseException:  # a KeyboardInterrupt too
            self.drop()
            raise
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def _run(self) -> None:
        try:
            self._value = self._job(self)
        except BaseException as error:
            self._error = error
        finally:
            with _lock:
                self._finished.set()
                calls = _dropped.get(self.disk, [])
                if self in calls:
                    calls.remove(self)  # type: ignore[arg-type]


def call(disk: bytes, job: Callable[[], T]) -> T:
    """Return the value of `job` or raise its exception; NotResponding if it takes longer than SILENCE_SECONDS."""
    if is_stuck(disk, disk):
        raise NotResponding(disk)
    return DiskCall(disk, disk, lambda _call: job()).result()


def resolved(path: bytes) -> bytes:
    """Return the absolute path without symlinks; links are kept if the disk does not respond."""
    try:
        return call(path, lambda: os.path.realpath(path))
    except NotResponding:
        return os.path.abspath(path)


def call_each(paths: Iterable[bytes], job: Callable[[bytes], T], seconds: float) -> dict[bytes, T]:
    """Return the value of `job` for each path, computed in parallel within `seconds` in total.

    Paths whose disks do not respond in time are left out. Raises the exceptions of `job`.
    """
    end = time.monotonic() + seconds
    calls: dict[bytes, DiskCall[T]] = {}
    for path in paths:
        if not is_stuck(path, path):
            with contextlib.suppress(NotResponding):  # too many calls below it are stuck
                calls[path] = DiskCall(path, path, functools.partial(_run_job, job, path))
    found = {}
    for path, each in calls.items():
        with contextlib.suppress(NotResponding):
            found[path] = each.result(lambda: time.monotonic() > end)
    return found


def _run_job(job: Callable[[bytes], T], path: bytes, _: DiskCall[T]) -> T:
    return job(path)


def stuck(disk: bytes) -> list[bytes]:
    """Return the paths on which abandoned calls to `disk` are still blocked."""
    with _lock:
        return [each.path for each in _dropped.get(disk, []) if each.silent]


def is_stuck(disk: bytes, path: bytes) -> bool:
    """Return whether an abandoned call is still blocked on this path, so that another one would block too."""
    return path in stuck(disk)


def silent_disks() -> list[bytes]:
    """Return the disks on which abandoned calls are still blocked."""
    with _lock:
        return sorted(disk for disk, calls in _dropped.items() if any(each.silent for each in calls))
