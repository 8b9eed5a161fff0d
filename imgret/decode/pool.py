"""A pool of worker processes that decode files to upright RGB pixels.

The parent decodes nothing: it sends a path, waits until the deadline, and validates the reply. A file that crashes
its decoder, hangs or exceeds the memory limit fails alone; its process is replaced.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from imgret.config import Settings
from imgret.confined_process import ProcessLost
from imgret.decode.decode_request import DecodeRequest
from imgret.decode.decoder_handle import Decoded, Worker, cannot_start
from imgret.errors import PhotoError

MOST_WORKERS = 16


def default_workers(configured: int) -> int:
    """Return the number of workers: `configured`, or if that is 0, one per available processor, at most 16."""
    if configured:
        return configured
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        processors = os.cpu_count() or 1
    return max(1, min(processors, MOST_WORKERS))


def decode_pool(settings: Settings) -> DecodePool:
    """Return a DecodePool with the limits of `settings`."""
    return DecodePool(
        default_workers(settings.decode_workers),
        memory_mb=settings.decode_memory_mb,
        seconds=settings.decode_seconds,
        max_megapixels=settings.max_megapixels,
    )


def confinement() -> tuple[str, ...]:
    """Start a decoder process and return the sandbox mechanisms that took effect. Raises ImgretError if it fails."""
    worker = Worker(memory_mb=512, max_megapixels=1, side=1)
    worker.kill()
    worker.exit_code()
    return worker.confined


class DecodePool:
    """Up to `workers` decoder processes, started when first needed. A context manager.

    `submit` never blocks. The caller must limit the number of pending photos: every finished future keeps its
    pixels (at most `side` x `side` x 3 bytes) in memory until it is dropped.
    """

    def __init__(
        self,
        workers: int,
        *,
        memory_mb: int = 1536,  # of address space, each worker
        seconds: float = 30.0,  # for one file
        max_megapixels: int = 200,
        side: int = 1280,  # pixels
    ) -> None:
        self._arguments = (memory_mb, max_megapixels, side)
        self._seconds = seconds
        self._idle: deque[Worker] = deque()
        self._lock = threading.Lock()  # of the two below
        self._alive: set[Worker] = set()
        self._closed = False
        # One thread per process, which mostly waits in poll(). The threads must live as long as the pool: the kernel
        # kills a worker (PR_SET_PDEATHSIG) when the *thread* that started it ends.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def submit(
        self,
        path: bytes,
        expected: bytes | None = None,
        *,
        sidecars: Sequence[bytes] = (),
        with_pixels: bool = True,
    ) -> Future[Decoded]:
        """Queue the file at `path` and return the future of its decoded photo. Files finish in any order.

        `sidecars` are the paths of files that describe it. Without pixels, only its facts and metadata are read.

        The future raises PhotoError if the file cannot be decoded. With `expected`, the 32-byte BLAKE3 of the file's
        bytes, it raises FileChanged if the file has other bytes or does not exist. Any other ImgretError means that no
        decoder process can be started. Raises RuntimeError if the pool is closed.
        """
        try:
            request = DecodeRequest(path, expected, tuple(sidecars), with_pixels)
            return self._threads.submit(self._decode, request)
        except RuntimeError as error:
            if self._closed or "thread" not in str(error):
                raise
            raise cannot_start(str(error)) from None

    def close(self) -> None:
        """Kill the processes and cancel all pending files."""
        with self._lock:
            self._closed = True
            for worker in self._alive:
                worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._alive:
            worker.exit_code()
        self._alive.clear()

    def pids(self) -> list[int]:
        """Return the ids of the running processes."""
        with self._lock:
            return [worker.pid for worker in self._alive]

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self, request: DecodeRequest) -> Decoded:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = Worker(*self._arguments)
        with self._lock:
            self._alive.add(worker)
            if self._closed:  # it started while close() killed the others
                worker.kill()
        try:
            decoded = worker.decode(request, self._seconds)
        except ProcessLost as lost:
            raise self._reason(request.path, lost, self._end(worker)) from None
        except MemoryError:  # in this process, in the middle of a reply
            self._end(worker)
            raise PhotoError(
                f"{os.fsdecode(request.path)} was decoded, but there is no memory left for its pixels",
                transient=True,
            ) from None
        self._idle.append(worker)
        if isinstance(decoded, PhotoError):
            raise decoded
        return decoded

    def _end(self, worker: Worker) -> int:
        """Kill a worker that cannot be used again, and return its exit code."""
        with self._lock:
            self._alive.discard(worker)
        worker.kill()
        return worker.exit_code()

    def _reason(self, path: bytes, lost: ProcessLost, code: int) -> PhotoError:
        name = os.fsdecode(path)
        if self._closed:
            return PhotoError(f"{name}: decoding was stopped", transient=True)
        if lost.late:
            return PhotoError(
                f"{name} was not decoded within {self._seconds:g} seconds",
                "Raise decode_seconds in the configuration.",
                transient=True,
            )
        by = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        # SIGKILL usually comes from the kernel when memory is short, so a later attempt may succeed.
        return PhotoError(
            f"the decoder crashed on this file: {name} ({by})", transient=code == -signal.SIGKILL
        )
