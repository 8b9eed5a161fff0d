"""One decoder process as its parent sees it: started with limits, given a path, its reply validated, killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.decode.decoder_process import LENGTH, LENGTHS, WorkerReply
from imgret.errors import FileChanged, ImgretError, PhotoError
from imgret.photo import Facts

_START_SECONDS = 60.0  # long enough for a cold disk or a busy machine
_LONGEST_REPLY = 1 << 16  # bytes
# The variables by which Python finds its libraries, and those of the user: HOME for ~/.local/lib/python3.
_KEPT = ("HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE")
_CHECK_KILLED_SECONDS = 0.5  # how often a waiting thread checks whether its process was killed
_KILLED_SECONDS = (
    5.0  # how long to wait for a killed process; a disk that does not respond may block its exit
)
_CHECK_EXIT_SECONDS = 0.01  # how often to check whether a killed process has exited
_hanging: list[subprocess.Popen[bytes]] = []  # killed, but blocked in a call to a disk
_PIPE = 1 << 20  # bytes: room for the pixels of a 640 x 480 photo, if the system allows it


class Decoded(Struct, frozen=True, eq=False):
    """A decoded photo, ready for the models."""

    facts: Facts
    pixels: NDArray[np.uint8]  # (height, width, 3), RGB, upright, long side at most the pool's `side`
    pixel_hash: bytes  # 32-byte BLAKE3 of width and height (u32, little-endian) and the pixels, row by row
    signature: bytes  # `perceptual.look`
    seconds: float = 0.0  # that decoding took


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a decoder process: only what Python needs to find its packages, no secrets."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return kept | {"PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "1"}  # each malloc arena takes address space


def cannot_start(reason: str) -> ImgretError:
    """Return the error for a decoder process that the system does not allow to start."""
    return ImgretError(
        f"no decoder process can be started: {reason}",
        "Raise the limits of this user (ulimit -u, -n, -v), or lower decode_workers in the configuration.",
    )


class WorkerLost(Exception):
    """The process exited, violated the protocol, or missed its deadline (`late`)."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


class Worker:
    """One decoder process and its pipes."""

    def __init__(self, memory_mb: int, max_megapixels: int, side: int) -> None:
        _hanging[:] = [process for process in _hanging if process.poll() is None]
        self._side = side
        arguments = [str(memory_mb), str(max_megapixels), str(side)]
        try:
            self._process = subprocess.Popen(
                # -P: do not import from the current folder, which may contain a PIL.py. -B: it cannot write files.
                [sys.executable, "-P", "-B", "-m", "imgret.decode.decoder_process", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # ctrl-C is not sent to it, and it has no terminal
                env=environment(),
            )
        except OSError as error:
            raise cannot_start(error.strerror or str(error)) from None
        except MemoryError:
            raise cannot_start("no memory is left") from None
        self._in, self._out, self._err = (
            pipe for pipe in (self._process.stdin, self._process.stdout, self._process.stderr) if pipe
        )
        self.pid = self._process.pid
        out = self._out.fileno()
        self._killed: float | None = None  # time.monotonic() of the first kill()
        with contextlib.suppress(AttributeError, OSError):  # not Linux, or above the user's limit
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _PIPE)
        self._poll = select.poll()
        self._poll.register(out, select.POLLIN)
        self._deadline = time.monotonic() + _START_SECONDS
        try:
            self.confined = self._reply()[0].confined
        except WorkerLost:
            self.kill()
            os.set_blocking(self._err.fileno(), False)
            output = (self._err.read() or b"").decode(errors="replace").strip().splitlines()
            self.exit_code()
            raise ImgretError(
                f"the decoder process does not start: {output[-1] if output else 'it reported no reason'}",
                "Raise decode_memory_mb in the configuration, or reinstall imgret.",
            ) from None
        self._err.close()

    def decode(self, path: bytes, expected: bytes, seconds: float) -> Decoded | PhotoError:
        """Return the decoded photo, or why it failed. Raises WorkerLost when this process cannot be used again."""
        self._deadline = time.monotonic() + seconds
        try:
            self._in.write(LENGTH.pack(len(path)) + expected + path)
        except BrokenPipeError:
            raise WorkerLost(late=False) from None
        reply, pixels = self._reply()
        if reply.facts is None:
            problem = os.fsdecode(reply.problem) or "the decoder reported no reason"
            kind = FileChanged if reply.changed else PhotoError
            return kind(problem, os.fsdecode(reply.hint), transient=reply.transient)
        shape = reply.height, reply.width, 3
        took = time.monotonic() - (self._deadline - seconds)
        return Decoded(reply.facts, pixels.reshape(shape), reply.pixel_hash, reply.signature, took)

    def kill(self) -> None:
        """Kill the process. May be called from another thread: the waiting thread sees the pipe close."""
        self._killed = self._killed or time.monotonic()
        self._process.kill()

    def exit_code(self) -> int:
        """Wait until the killed process exits, and return its exit code, negative for a signal.

        A process that is blocked by a disk exits only when the disk responds; after 5 s it is no longer waited for.
        """
        deadline = time.monotonic() + _KILLED_SECONDS
        # Not `Popen.wait(timeout)`: it sleeps until an absolute time, which fails if the clock is changed meanwhile.
        while (code := self._process.poll()) is None and time.monotonic() < deadline:
            select.select([], [], [], _CHECK_EXIT_SECONDS)
        if code is None:
            code = -signal.SIGKILL
            _hanging.append(self._process)
        for pipe in (self._in, self._out, self._err):
            pipe.close()
        return code

    def _reply(self) -> tuple[WorkerReply, NDArray[np.uint8]]:
        """Read the next reply and validate it: a malicious file may control the process that sends it."""
        head = bytearray(LENGTHS.size)
        self._read(memoryview(head))
        reply_length, pixels_length = LENGTHS.unpack(head)
        if reply_length > _LONGEST_REPLY or pixels_length > self._side * self._side * 3:
            raise WorkerLost(late=False)
        packed = bytearray(reply_length)
        self._read(memoryview(packed))
        pixels = np.empty(pixels_length, np.uint8)
        self._read(pixels.data)
        try:
            reply = msgspec.msgpack.decode(packed, type=WorkerReply)
        except msgspec.MsgspecError:
            raise WorkerLost(late=False) from None
        if reply.width * reply.height * 3 != pixels_length or min(reply.width, reply.height) < 0:
            raise WorkerLost(late=False)
        return reply, pixels

    def _read(self, into: memoryview) -> None:
        while into:
            now = time.monotonic()
            if now > self._deadline or (self._killed and now > self._killed + _KILLED_SECONDS):
                raise WorkerLost(late=True)
            if not self._poll.poll(1000 * min(self._deadline - now, _CHECK_KILLED_SECONDS)):
                continue
            count = os.readv(self._out.fileno(), [into])
            if count == 0:
                raise WorkerLost(late=False)
            into = into[count:]
