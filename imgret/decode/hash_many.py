"""Hash many files below one root on a few threads.

A read that does not return blocks no other file: the file is reported as unreadable and its thread is abandoned.
Finished hashes are yielded while slower files are still being read.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from imgret.decode.hashing import birth_time, content_hash_in, unreadable
from imgret.disk_calls import DiskCall, NotResponding, is_stuck
from imgret.errors import PhotoError
from imgret.limits import Shortage
from imgret.photo import FileStat
from imgret.safe_open import Descent

HASHERS = 4  # threads; hashing is limited by the disk
_POLL_SECONDS = 0.25  # how often to check for silent threads and for `stopped`
_MAX_BATCH_SECONDS = 1.0  # a batch that is not full is yielded after this time


class FoundFile(Protocol):
    """A file to hash. `folder` is relative to the root."""

    @property
    def folder(self) -> bytes: ...  # noqa: D102

    @property
    def name(self) -> bytes: ...  # noqa: D102

    @property
    def file_stat(self) -> FileStat: ...  # noqa: D102


F = TypeVar("F", bound=FoundFile)


class Hash(NamedTuple):
    """The hash and the creation time of a file."""

    digest: bytes  # 32-byte BLAKE3
    born: int | None  # when the file was created, ns since 1970


Read = Hash | PhotoError
Hashed = tuple[list[F], list[Read]]


def hash_many(root: bytes, files: Iterator[F], size: int, stopped: Callable[[], bool]) -> Iterator[Hashed[F]]:
    """Hash `files` and yield them in batches of about `size`, each with its hash or the error.

    Stops when `stopped()` is true; unfinished files are dropped. Raises NotResponding when the whole disk does not
    respond, and Shortage when the machine has no descriptor or memory left; finished files are yielded first.
    """
    hashing: _Hashing[F] = _Hashing(root, size)
    exhausted = False
    problem: NotResponding | Shortage | None = None
    try:
        while problem is None and not stopped():
            if not hashing.waiting and not exhausted:
                hashing.waiting.extend(islice(files, size))
                exhausted = not hashing.waiting
            try:
                hashing.start_threads()
            except NotResponding as error:
                problem = error
            hashing.collect()
            problem = problem or hashing.shortage
            if exhausted and hashing.idle:
                break
            if hashing.is_due:
                yield hashing.take()
        if hashing.done:
            yield hashing.take()
        if problem is not None:
            raise problem
    finally:
        hashing.drop()


class _Hashing(Generic[F]):
    """The threads of one `hash_many` call, their queue and their results."""

    def __init__(self, root: bytes, size: int) -> None:
        self.waiting: deque[F] = deque()
        self.done: list[tuple[F, Read]] = []
        self.shortage: Shortage | None = None
        self._root = root
        self._size = size
        self._calls: list[DiskCall[None]] = []
        self._reading: dict[DiskCall[None], F] = {}
        self._results: queue.SimpleQueue[tuple[DiskCall[None], F | None, Read | Shortage | None]] = (
            queue.SimpleQueue()
        )
        self._handed_out = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether no file is queued or being read."""
        return not (self.waiting or self._calls)

    @property
    def is_due(self) -> bool:
        """Whether the finished files should be yielded now."""
        waited = time.monotonic() - self._handed_out > _MAX_BATCH_SECONDS
        return len(self.done) >= self._size or (waited and bool(self.done))

    def take(self) -> Hashed[F]:
        """Remove and return the finished files and their results."""
        done, self.done, self._handed_out = self.done, [], time.monotonic()
        return [file for file, _ in done], [result for _, result in done]

    def start_threads(self) -> None:
        """Start up to HASHERS threads. Raises NotResponding when none can be started and none is running."""
        try:
            while len(self._calls) < min(HASHERS, len(self.waiting)):
                self._calls.append(DiskCall(self._root, self._root, self._read))
        except NotResponding:
            if not self._calls:
                raise

    def collect(self) -> None:
        """Wait a moment for results, and abandon threads that do not respond."""
        with contextlib.suppress(queue.Empty):
            result = self._results.get(timeout=_POLL_SECONDS if self._calls else 0)
            while True:
                self._take_one(*result)
                result = self._results.get_nowait()
        for call in [each for each in self._calls if each.silent]:
            call.drop()
            file = self._reading.get(call)
            read_as = None if file is None else _not_responding(_path(self._root, file))
            self._take_one(call, file, read_as)
            self._take_one(call, None, None)

    def _take_one(self, call: DiskCall[None], file: F | None, read_as: Read | Shortage | None) -> None:
        """Record one result of a thread; `file` is None when the thread ended. Ignore abandoned threads."""
        if call not in self._calls:
            return
        if isinstance(read_as, Shortage):  # not the file's fault: the next scan finds the file again
            self.shortage = read_as
        elif file is not None and read_as is not None:
            self.done.append((file, read_as))
        else:
            self._calls.remove(call)
            self._reading.pop(call, None)

    def drop(self) -> None:
        """Abandon all files that are still being read."""
        for call in self._calls:
            call.drop()

    def _read(self, call: DiskCall[None]) -> None:
        """Run in each thread: hash queued files until the queue is empty."""
        try:
            with Descent(self._root) as descent:
                while (file := self._next(call)) is not None:
                    read_as = _hash(call, self._root, descent, file)
                    call.touch()
                    self._results.put((call, file, read_as))
        except OSError as error:  # the root cannot be opened
            while (file := self._next(call)) is not None:
                self._results.put((call, file, _to_error(_path(self._root, file), error)))
        finally:
            self._results.put((call, None, None))

    def _next(self, call: DiskCall[None]) -> F | None:
        try:
            self._reading[call] = file = self.waiting.popleft()
        except IndexError:
            return None
        return file


def _hash(call: DiskCall[None], root: bytes, descent: Descent, file: FoundFile) -> Read | Shortage:
    path = _path(root, file)
    if file.file_stat.size == 0:  # probably not written yet; all empty files would share one content
        return PhotoError(f"{os.fsdecode(path)} is empty", transient=True)
    if is_stuck(root, path):  # an earlier read of it has not returned yet
        return _not_responding(path)
    call.touch(path)
    try:
        folder = descent.folder(file.folder)
        digest = content_hash_in(folder, path, file.file_stat, call.touch)
        return Hash(digest, birth_time(file.name, folder))
    except (PhotoError, Shortage) as error:
        return error
    except OSError as error:  # from a folder above the file
        return _to_error(path, error)
    except Exception as error:  # an unexpected error fails this file only
        return PhotoError(
            f"{os.fsdecode(path)} cannot be read: {type(error).__name__} {error}", transient=True
        )


def _to_error(path: bytes, error: OSError) -> PhotoError | Shortage:
    try:
        return unreadable(path, error)
    except Shortage as short:
        return short


def _not_responding(path: bytes) -> PhotoError:
    error = NotResponding(path)
    return PhotoError(str(error), error.hint, transient=True)


def _path(root: bytes, file: FoundFile) -> bytes:
    return os.path.join(root, file.folder, file.name)
