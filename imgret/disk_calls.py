"""Calls to a disk that may never return: each runs on its own thread, and the caller stops waiting in time.

A read from a dying disk or an absent server can block in the kernel, where nothing can interrupt it. Such a
thread is abandoned. It is a daemon thread, so the program can still end, and the number of abandoned threads
is limited for each disk. The time limit is for silence, not for the whole call: a large file may take long.
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
PATIENCE_SECONDS = 1.0  # where others wait for the answer, and it may come later
MOST_STUCK = 8  # abandoned threads for one disk
_LOOK_SECONDS = 0.25  # how often a waiting caller looks whether it should stop

_lock = threading.Lock()
_dropped: dict[bytes, list[DiskCall[object]]] = {}  # by disk: calls that nobody waits for any more


class NotAnswering(ImgretError):
    """A disk did not answer in time. `path` is what was asked for."""

    hint = "Check the disk, or the server behind it; imgret tries again later."

    def __init__(self, path: bytes) -> None:
        super().__init__(f"{os.fsdecode(path)} cannot be read: its disk does not answer")
        self.path = path


class _Dropped(BaseException):
    """Ends a call that nobody waits for. Not an Exception: a job that isolates faults must not catch it."""


class DiskCall(Generic[T]):
    """One running call. `disk` groups calls for MOST_STUCK: the watched folder, as a rule."""

    def __init__(self, disk: bytes, path: bytes, job: Callable[[DiskCall[T]], T]) -> None:
        """Start `job`, which reports what it does by `touch`.

        Raises NotAnswering at once when too many calls to this disk are stuck. When the system has no
        thread left, the job runs in the caller's thread, without a time limit.
        """
        if len(stuck(disk)) >= MOST_STUCK:
            raise NotAnswering(path)
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
            log.warning("The system has no thread left: files are read without a time limit")
            self._run()

    def touch(self, path: bytes | None = None) -> None:
        """The job is alive, and uses `path` next (None: the same as before). Ends a dropped job."""
        if self._is_dropped:
            raise _Dropped
        if path is not None:
            self.path = path
        self.since = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether the job has returned or raised."""
        return self._finished.is_set()

    @property
    def silent(self) -> bool:
        """Whether the job is past the time limit."""
        return not self.finished and time.monotonic() - self.since > SILENCE_SECONDS

    def drop(self) -> None:
        """Stop waiting for the job: it ends at its next `touch`, or stays stuck in the kernel."""
        with _lock:
            if not self.finished:
                self._is_dropped = True
                _dropped.setdefault(self.disk, []).append(self)  # type: ignore[arg-type]

    def result(self, stopped: Callable[[], bool] = lambda: False) -> T:
        """Wait for the job and give what it returned, or raise what it raised.

        Raises NotAnswering after too long a silence, or when `stopped`; the job is dropped then.
        """
        try:
            while not self._finished.wait(_LOOK_SECONDS):
                if self.silent or stopped():
                    raise NotAnswering(self.path)
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
    """What `job` returns or raises; NotAnswering when it takes longer than SILENCE_SECONDS."""
    if is_stuck(disk, disk):
        raise NotAnswering(disk)
    return DiskCall(disk, disk, lambda _call: job()).result()


def resolved(path: bytes) -> bytes:
    """The path, absolute and without symlinks; its links stay where its disk does not answer."""
    try:
        return call(path, lambda: os.path.realpath(path))
    except NotAnswering:
        return os.path.abspath(path)


def answers(paths: Iterable[bytes], job: Callable[[bytes], T], seconds: float) -> dict[bytes, T]:
    """What `job` returns for each of the paths; those that do not answer within `seconds`, all together, are left out.

    Raises what `job` raises.
    """
    end = time.monotonic() + seconds
    calls = {
        path: DiskCall(path, path, functools.partial(_asked, job, path))
        for path in paths
        if not is_stuck(path, path)
    }
    found = {}
    for path, each in calls.items():
        with contextlib.suppress(NotAnswering):
            found[path] = each.result(lambda: time.monotonic() > end)
    return found


def _asked(job: Callable[[bytes], T], path: bytes, _: DiskCall[T]) -> T:
    return job(path)


def stuck(disk: bytes) -> list[bytes]:
    """The paths for which an abandoned call to `disk` still waits."""
    with _lock:
        return [each.path for each in _dropped.get(disk, []) if each.silent]


def is_stuck(disk: bytes, path: bytes) -> bool:
    """Whether an abandoned call still waits for this very path: another one would wait as well."""
    return path in stuck(disk)


def silent_disks() -> list[bytes]:
    """The disks for which an abandoned call still waits."""
    with _lock:
        return sorted(disk for disk, calls in _dropped.items() if any(each.silent for each in calls))
