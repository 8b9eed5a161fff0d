"""The blocking client of the daemon's socket: what `imgret query` needs, and nothing that costs to import.

`NoDaemon` means that nobody is there who answers (no socket, a stale file, a daemon that is leaving): the
caller then does the same work itself. Any other error is an answer.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from imgret.client import protocol
from imgret.client.protocol import Answer, Refused
from imgret.errors import DaemonError, Exit

TYPE_CHECKING = False  # typing's own costs 3 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

TIMEOUT = 60.0  # seconds without a byte; the first question after the start may load the embedder
_CHUNK = 1 << 16


class NoDaemon(DaemonError):
    """No daemon listens at this path."""

    hint = "Start it: `imgret service install`, or `imgretd --foreground`."


class _HungUp(NoDaemon):
    """The daemon closed the connection before the first byte of its answer."""


class Connection:
    """One connection to the daemon of this user; questions one after the other. Close it, or use `with`.

    A connection whose answer did not come whole is closed: what arrives late belongs to no later question.
    The next question connects again, as it does when the daemon hung up on an idle client.
    """

    def __init__(self, path: str, timeout: float = TIMEOUT) -> None:
        """Raises NoDaemon, or DaemonError when the socket is another user's."""
        self._path = path
        self._timeout = timeout
        self._next = 0
        self._connect()

    def _connect(self) -> None:
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path, timeout = self._path, self._timeout
        try:
            self._socket.settimeout(timeout)
            self._wait_in_queue()
            owner = _owner(self._socket, path)
        except TimeoutError:
            self._socket.close()
            raise DaemonError(f"the daemon does not answer within {timeout:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            self._socket.close()
            raise NoDaemon(f"no daemon at {path}: {getattr(error, 'strerror', None) or error}") from None
        if owner != os.geteuid():
            self._socket.close()
            raise DaemonError(f"{path} belongs to another user", "Remove it, or set IMGRET_SOCKET.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """The result of one request. Raises Refused with what the daemon said, NoDaemon when it left."""
        return self.ask_bytes(method, params)[0]

    def ask_bytes(self, method: str, params: dict[str, Any]) -> tuple[Any, bytes]:
        """The result of one request, and the finished output that came with it. Raises as `ask`."""
        self._next += 1
        line = protocol.request_line(self._next, method, params)
        if len(line) > protocol.LINE_LIMIT:
            raise Refused(protocol.TOO_LONG, "the question is too long for the daemon", exit_code=Exit.USAGE)
        used = self._next > 1
        if self._socket.fileno() < 0:
            used = False
            self._connect()
        whole = False
        try:
            try:
                answer = self._answer(line)
            except _HungUp:
                if not used:
                    raise
                self._socket.close()  # idle for too long: every request may be sent twice
                self._connect()
                answer = self._answer(line)
            body = self._read(answer.body)
            whole = True
        except Refused as error:
            whole = error.request == self._next
            if error.code in (protocol.STOPPING, protocol.BUSY):
                raise NoDaemon(f"the daemon does not answer: {error}") from None
            raise
        finally:
            if not whole:
                self._socket.close()
        return answer.result, body

    def query(self, params: dict[str, Any]) -> tuple[list[str], Exit, bytes]:
        """The answer to a question: sentences for stderr, how the command ends, its output. Raises as `ask`."""
        result, output = self.ask_bytes("query", params)
        return *protocol.read_query(result), output

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Subscribe: (name, data) of each event until the daemon leaves. A quiet minute is no error."""
        self.ask("subscribe", {})
        self._socket.settimeout(None)
        while line := self._line(at_end=b""):
            event = protocol.read_event(line)
            if event is not None:
                yield event

    def _wait_in_queue(self) -> None:
        """Connect; while more clients wait than the daemon's queue holds, wait as well."""
        end = time.monotonic() + self._timeout
        while True:
            try:
                return self._socket.connect(self._path)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError from None
                time.sleep(0.01)

    def _answer(self, line: bytes) -> Answer:
        """Send a request and read the answer to it. Raises Refused, NoDaemon or DaemonError."""
        try:
            self._socket.sendall(line)
        except TimeoutError:
            raise DaemonError("the daemon does not read what it is sent") from None
        except OSError:
            pass  # it hung up; why may still stand in what it sent before
        wrong = DaemonError("the daemon answered another question than was asked", "Ask again.")
        try:
            answer = protocol.read_answer(self._line())
        except Refused as error:
            if error.request not in (None, self._next):
                raise wrong from None
            raise
        if answer.id != self._next:
            raise wrong
        return answer

    def _line(self, at_end: bytes | None = None) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > protocol.LINE_LIMIT:
                raise Refused(protocol.TOO_LONG, "the daemon's answer has no end")
            part = self._receive()
            if not part:
                if at_end is not None:
                    return at_end
                raise (NoDaemon if self._buffer else _HungUp)("the daemon left before it answered")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _read(self, size: int) -> bytes:
        parts = [self._buffer[:size]]
        self._buffer = self._buffer[size:]
        missing = size - len(parts[0])
        while missing:
            part = self._receive(min(missing, _CHUNK))
            if not part:
                raise NoDaemon("the daemon left in the middle of its answer")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _receive(self, size: int = _CHUNK) -> bytes:
        try:
            return self._socket.recv(size)
        except TimeoutError:
            raise DaemonError(f"the daemon does not answer within {self._socket.gettimeout():g} s") from None
        except OSError:
            return b""


def ask(path: str, method: str, params: dict[str, Any], timeout: float = TIMEOUT) -> Any:
    """One question on a connection of its own: the result. Raises NoDaemon, DaemonError or Refused."""
    with Connection(path, timeout) as daemon:
        return daemon.ask(method, params)


def query(path: str, params: dict[str, Any]) -> tuple[list[str], Exit, bytes]:
    """One search on a connection of its own, see `Connection.query`. Raises NoDaemon, DaemonError or Refused."""
    with Connection(path) as daemon:
        return daemon.query(params)


def _owner(connected: socket.socket, path: str) -> int:
    """The user who listens. From the kernel where it says so; a file can be swapped after a look at it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # pid, uid, gid
        return int.from_bytes(credentials[4:8], sys.byteorder)
    return os.stat(path).st_uid
