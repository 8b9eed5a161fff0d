"""A process of imgret's own that its parent limits and kills: started with pipes, read until a deadline.

Decoders and readers of text run in one each. The parent trusts nothing that they send. `imgret.sandbox` has the
limits that such a process sets for itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

START_SECONDS = 60.0  # long enough for a cold disk or a busy machine
# The variables by which Python finds its libraries, and those of the user: HOME for ~/.local/lib/python3.
_KEPT = ("HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE")
_CHECK_KILLED_SECONDS = 0.5  # how often a waiting thread checks whether its process was killed
# how long to wait for a killed process; a disk that does not respond may block its exit
_KILLED_SECONDS = 5.0
_CHECK_EXIT_SECONDS = 0.01  # how often to check whether a killed process has exited
_hanging: list[subprocess.Popen[bytes]] = []  # killed, but blocked in a call to a disk
_PIPE = 1 << 20  # bytes: room for the pixels of a 640 x 480 photo, if the system allows it


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a confined process: only what Python needs to find its packages, no secrets."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return kept | {"PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "1"}  # each malloc arena takes address space


class ProcessLost(Exception):
    """The process exited, violated the protocol, or missed its deadline (`late`)."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


class ConfinedProcess:
    """One process and its pipes. Its owner sets `deadline` (time.monotonic()) before each exchange."""

    def __init__(self, module: str, arguments: Sequence[str], more: Mapping[str, str] | None = None) -> None:
        """Start `python -m module arguments`; `more` are further environment variables.

        Raises OSError or MemoryError if the system does not allow it.
        """
        _hanging[:] = [process for process in _hanging if process.poll() is None]
        self._process = subprocess.Popen(
            # -P: do not import from the current folder, which may contain a PIL.py. -B: it cannot write files.
            [sys.executable, "-P", "-B", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # ctrl-C is not sent to it, and it has no terminal
            env=environment() | dict(more or {}),
        )
        self._in, self._out, self._err = (
            pipe for pipe in (self._process.stdin, self._process.stdout, self._process.stderr) if pipe
        )
        self.pid = self._process.pid
        self.deadline = time.monotonic() + START_SECONDS
        self._killed: float | None = None  # time.monotonic() of the first kill()
        for pipe in (self._in, self._out):
            with contextlib.suppress(AttributeError, OSError):  # not Linux, or above the user's limit
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        os.set_blocking(self._in.fileno(), False)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._out.fileno(), select.POLLIN)
        self._writable.register(self._in.fileno(), select.POLLOUT)

    def write(self, data: bytes | memoryview) -> None:
        """Send all of it. Raises ProcessLost when this process cannot be used again."""
        rest = memoryview(data).cast("B")
        while rest:
            if self._wait(self._writable):
                try:
                    rest = rest[os.write(self._in.fileno(), rest) :]
                except BlockingIOError:  # less than a page is free
                    continue
                except BrokenPipeError:
                    raise ProcessLost(late=False) from None

    def read(self, into: memoryview) -> None:
        """Fill `into`. Raises ProcessLost when this process cannot be used again."""
        while into:
            if self._wait(self._readable):
                count = os.readv(self._out.fileno(), [into])
                if count == 0:
                    raise ProcessLost(late=False)
                into = into[count:]

    def started(self) -> None:
        """Close its stderr: it has reported that it is ready."""
        self._err.close()

    def start_error(self) -> str:
        """Kill a process that did not start, and return the last line of its stderr."""
        self.kill()
        os.set_blocking(self._err.fileno(), False)
        output = (self._err.read() or b"").decode(errors="replace").strip().splitlines()
        self.exit_code()
        return output[-1] if output else "it reported no reason"

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

    def _wait(self, poll: select.poll) -> bool:
        """Return whether the pipe is ready; raises ProcessLost at the deadline."""
        now = time.monotonic()
        if now > self.deadline or (self._killed and now > self._killed + _KILLED_SECONDS):
            raise ProcessLost(late=True)
        return bool(poll.poll(1000 * min(self.deadline - now, _CHECK_KILLED_SECONDS)))
