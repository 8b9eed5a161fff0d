"""A pool of processes that turn files into upright RGB pixels, and survive every one of them.

The parent decodes nothing: it sends a path, waits until the deadline, and checks what comes back. A file
that crashes, hangs or outgrows its decoder costs itself and a fresh process, no other file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.config import Settings
from imgret.decode.worker import ANY_HASH, LENGTH, LENGTHS, Answer
from imgret.errors import FileChanged, ImgretError, PhotoError
from imgret.photo import Facts

MOST_WORKERS = 16
_START_SECONDS = 60.0  # a cold disk, a busy machine
_LONGEST_ANSWER = 1 << 16  # bytes
# By which an interpreter finds its libraries, and its user's: HOME stands for ~/.local/lib/python3.
_KEPT = ("HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE")
_LOOK_SECONDS = 0.5  # how often a waiting thread looks whether its process was killed
_KILLED_SECONDS = 5.0  # after which a process that was killed is not waited for: a disk may hold it
_LOOK_SECONDS = 0.01  # between two looks whether a killed process has ended
_hanging: list[subprocess.Popen[bytes]] = []  # killed, and held by a disk
_PIPE = 1 << 20  # bytes: a 640 x 480 photo in one go, as far as the system lets us


class Decoded(Struct, frozen=True, eq=False):
    """One photo, ready for the models."""

    facts: Facts
    pixels: NDArray[np.uint8]  # (height, width, 3), RGB, upright, long side at most the pool's `side`
    pixel_hash: bytes  # 32-byte BLAKE3 of width and height (u32, little-endian) and the pixels, row by row
    look: bytes  # `perceptual.signature`: what the picture looks like


def default_workers(configured: int) -> int:
    """As many as configured; for 0, one for each processor we may run on, at most 16."""
    if configured:
        return configured
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        processors = os.cpu_count() or 1
    return max(1, min(processors, MOST_WORKERS))


def decode_pool(settings: Settings) -> DecodePool:
    """The pool that these settings ask for."""
    return DecodePool(
        default_workers(settings.decode_workers),
        memory_mb=settings.decode_memory_mb,
        seconds=settings.decode_seconds,
        max_megapixels=settings.max_megapixels,
    )


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a decoder process is told: how Python finds its packages, and no more. Tokens stay here."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return kept | {"PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "1"}  # arenas are address space too


def confinement() -> tuple[str, ...]:
    """By which means of the kernel decoders are confined here; asks a real one. Raises ImgretError."""
    worker = _Worker(memory_mb=512, max_megapixels=1, side=1)
    worker.kill()
    worker.exit_code()
    return worker.confined


class DecodePool:
    """Up to `workers` decoder processes, started when first needed. A context manager.

    `submit` never blocks: whoever submits bounds how many photos are under way, for every finished one
    holds its pixels (at most `side` x `side` x 3 bytes) until its future is dropped.
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
        self._idle: deque[_Worker] = deque()
        self._lock = threading.Lock()  # of the two below
        self._alive: set[_Worker] = set()
        self._closed = False
        # One thread for each process: it spends its time in poll(), and never ends before the pool does
        # (a process is told of the death of the *thread* that started it).
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def submit(self, path: bytes, expected: bytes | None = None) -> Future[Decoded]:
        """Decode the file. The result, in any order among files, or PhotoError.

        With `expected`, the 32-byte BLAKE3 of the file's bytes, the result is of these bytes; FileChanged
        when others, or none, lie at the path.
        Any other ImgretError says that no decoder process can be started at all. A closed pool takes
        no more files (RuntimeError).
        """
        try:
            return self._threads.submit(self._decode, path, expected or ANY_HASH)
        except RuntimeError as error:
            if self._closed or "thread" not in str(error):
                raise
            raise _no_more(str(error)) from None

    def close(self) -> None:
        """Kill the processes; files under way and those still waiting are given up."""
        with self._lock:
            self._closed = True
            for worker in self._alive:
                worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._alive:
            worker.exit_code()
        self._alive.clear()

    def pids(self) -> list[int]:
        """The processes that run now."""
        with self._lock:
            return [worker.pid for worker in self._alive]

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self, path: bytes, expected: bytes) -> Decoded:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(*self._arguments)
        with self._lock:
            self._alive.add(worker)
            if self._closed:  # it was being started while close() killed the others
                worker.kill()
        try:
            decoded = worker.decode(path, expected, self._seconds)
        except _Lost as lost:
            raise self._reason(path, lost, self._end(worker)) from None
        except MemoryError:  # of this process, in the middle of an answer
            self._end(worker)
            raise PhotoError(
                f"{os.fsdecode(path)} was decoded, but there is no memory left to hold it", transient=True
            ) from None
        self._idle.append(worker)
        if isinstance(decoded, PhotoError):
            raise decoded
        return decoded

    def _end(self, worker: _Worker) -> int:
        """Have a worker that is of no more use end; its exit code."""
        with self._lock:
            self._alive.discard(worker)
        worker.kill()
        return worker.exit_code()

    def _reason(self, path: bytes, lost: _Lost, code: int) -> PhotoError:
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
        # SIGKILL is the system's when memory is short: another day it may do.
        return PhotoError(
            f"the decoder crashed on this file: {name} ({by})", transient=code == -signal.SIGKILL
        )


def _no_more(reason: str) -> ImgretError:
    return ImgretError(
        f"no decoder process can be started: {reason}",
        "Raise the limits of this user (ulimit -u, -n, -v), or lower decode_workers in the configuration.",
    )


class _Lost(Exception):
    """The process is gone, broke the protocol, or is past its deadline (`late`)."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


class _Worker:
    """One decoder process, and the two pipes to it."""

    def __init__(self, memory_mb: int, max_megapixels: int, side: int) -> None:
        _hanging[:] = [process for process in _hanging if process.poll() is None]
        self._side = side
        arguments = [str(memory_mb), str(max_megapixels), str(side)]
        try:
            self._process = subprocess.Popen(
                # -P: the current folder may hold anyone's PIL.py. -B: it may not write anyway.
                [sys.executable, "-P", "-B", "-m", "imgret.decode.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # ctrl-C is not sent to it, and it has no terminal
                env=environment(),
            )
        except OSError as error:
            raise _no_more(error.strerror or str(error)) from None
        except MemoryError:
            raise _no_more("no memory is left") from None
        self._in, self._out, self._err = (
            pipe for pipe in (self._process.stdin, self._process.stdout, self._process.stderr) if pipe
        )
        self.pid = self._process.pid
        out = self._out.fileno()
        self._killed: float | None = None  # when
        with contextlib.suppress(AttributeError, OSError):  # Linux, and only up to the user's share
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _PIPE)
        self._poll = select.poll()
        self._poll.register(out, select.POLLIN)
        self._deadline = time.monotonic() + _START_SECONDS
        try:
            self.confined = self._answer()[0].confined
        except _Lost:
            self.kill()
            os.set_blocking(self._err.fileno(), False)
            said = (self._err.read() or b"").decode(errors="replace").strip().splitlines()
            self.exit_code()
            raise ImgretError(
                f"the decoder process does not start: {said[-1] if said else 'it says nothing'}",
                "Raise decode_memory_mb in the configuration, or install imgret anew.",
            ) from None
        self._err.close()

    def decode(self, path: bytes, expected: bytes, seconds: float) -> Decoded | PhotoError:
        """What came of the file. Raises _Lost when this process is of no more use."""
        self._deadline = time.monotonic() + seconds
        try:
            self._in.write(LENGTH.pack(len(path)) + expected + path)
        except BrokenPipeError:
            raise _Lost(late=False) from None
        answer, pixels = self._answer()
        if answer.facts is None:
            problem = answer.problem or "the decoder said nothing"
            kind = FileChanged if answer.changed else PhotoError
            return kind(problem, answer.hint, transient=answer.transient)
        shape = answer.height, answer.width, 3
        return Decoded(answer.facts, pixels.reshape(shape), answer.pixel_hash, answer.look)

    def kill(self) -> None:
        """End it, whatever it does. Safe from another thread: the one that waits sees the pipe close."""
        self._killed = self._killed or time.monotonic()
        self._process.kill()

    def exit_code(self) -> int:
        """Wait for its end, once it was killed; the code, negative for a signal.

        A process in a call to a disk that does not answer ends when the disk does, and is not waited for.
        """
        deadline = time.monotonic() + _KILLED_SECONDS
        # `Popen.wait` with a limit sleeps by an absolute time, which fails where the clock is changed under it.
        while (code := self._process.poll()) is None and time.monotonic() < deadline:
            select.select([], [], [], _LOOK_SECONDS)
        if code is None:
            code = -signal.SIGKILL
            _hanging.append(self._process)
        for pipe in (self._in, self._out, self._err):
            pipe.close()
        return code

    def _answer(self) -> tuple[Answer, NDArray[np.uint8]]:
        """The next answer. What a decoder says is held to its limits: a stranger's file may speak here."""
        head = bytearray(LENGTHS.size)
        self._read(memoryview(head))
        answer_length, pixels_length = LENGTHS.unpack(head)
        if answer_length > _LONGEST_ANSWER or pixels_length > self._side * self._side * 3:
            raise _Lost(late=False)
        said = bytearray(answer_length)
        self._read(memoryview(said))
        pixels = np.empty(pixels_length, np.uint8)
        self._read(pixels.data)
        try:
            answer = msgspec.msgpack.decode(said, type=Answer)
        except msgspec.MsgspecError:
            raise _Lost(late=False) from None
        if answer.width * answer.height * 3 != pixels_length or min(answer.width, answer.height) < 0:
            raise _Lost(late=False)
        return answer, pixels

    def _read(self, into: memoryview) -> None:
        while into:
            now = time.monotonic()
            if now > self._deadline or (self._killed and now > self._killed + _KILLED_SECONDS):
                raise _Lost(late=True)
            if not self._poll.poll(1000 * min(self._deadline - now, _LOOK_SECONDS)):
                continue
            count = os.readv(self._out.fileno(), [into])
            if count == 0:
                raise _Lost(late=False)
            into = into[count:]
