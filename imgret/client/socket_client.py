"""A blocking client of the daemon's socket. It imports only what `imgret query` needs.

`NoDaemon` means that no daemon serves requests (no socket, a stale file, a daemon that is stopping): the caller then
does the work itself. Any other error is final.
"""

from __future__ import annotations

import os
import socket
import sys
import time

from imgret.client import protocol
from imgret.client.protocol import Refused, Response
from imgret.errors import DaemonError, Exit

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

TIMEOUT = 60.0  # seconds without a byte; the first query after the start may load the embedder
QUEUED = 5.0  # seconds until a daemon that runs has accepted a connection, however many there are
_CHUNK = 1 << 16


class NoDaemon(DaemonError):
    """No daemon serves requests at this path."""

    hint = "Start it: `imgret service install`, or `imgretd --foreground`."


class _ConnectionClosed(NoDaemon):
    """The daemon closed the connection before the first byte of its response."""


class Connection:
    """A connection to this user's daemon, for one request at a time. Close it, or use `with`.

    After an incomplete response the connection is closed, because late bytes would be read as the response to the next
    request. The next request connects again; it also does so when the daemon closed an idle connection.
    """

    def __init__(self, path: str, timeout: float = TIMEOUT) -> None:
        """Connect to the socket at `path`. Raises NoDaemon, or DaemonError when another user owns the socket.

        `timeout` is the longest time to wait for a byte, in seconds.
        """
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
            self._connect_when_accepted()
            process, owner = _peer(self._socket, path)
        except TimeoutError:
            self._socket.close()
            raise DaemonError("the daemon accepts no connections; perhaps it is suspended") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            self._socket.close()
            raise NoDaemon(f"no daemon at {path}: {getattr(error, 'strerror', None) or error}") from None
        if owner != os.geteuid():
            self._socket.close()
            raise DaemonError(f"{path} belongs to another user", "Remove it, or set IMGRET_SOCKET.")
        if _is_suspended(process):  # the kernel has accepted the connection in its place
            self._socket.close()
            raise DaemonError(
                f"the daemon is suspended (process {process})", f"`kill -CONT {process}` continues it."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def request(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request and return its result. Raises Refused with the daemon's error, NoDaemon when it stopped."""
        return self.request_bytes(method, params)[0]

    def request_bytes(self, method: str, params: dict[str, Any]) -> tuple[Any, bytes]:
        """Send a request and return its result and its finished output. Raises the same errors as `request`."""
        self._next += 1
        line = protocol.request_line(self._next, method, params)
        if len(line) > protocol.LINE_LIMIT:
            raise Refused(
                protocol.TOO_LONG,
                f"the request is longer than {protocol.LINE_LIMIT} bytes",
                "Shorten the query.",
                exit_code=Exit.USAGE,
            )
        used = self._next > 1
        if self._socket.fileno() < 0:
            used = False
            self._connect()
        whole = False
        try:
            try:
                response = self._send(line)
            except _ConnectionClosed:
                if not used:
                    raise
                self._socket.close()  # closed because it was idle; every request may safely be sent twice
                self._connect()
                response = self._send(line)
            body = self._read(response.body)
            whole = True
        except Refused as error:
            whole = error.request == self._next
            if error.code in (protocol.STOPPING, protocol.BUSY):
                raise NoDaemon(f"the daemon does not serve requests now: {error}") from None
            raise
        finally:
            if not whole:
                self._socket.close()
        return response.result, body

    def query(self, params: dict[str, Any]) -> tuple[list[str], Exit, bytes]:
        """Run a search. Return the notes for stderr, the exit code and the output. Raises the same errors as `request`."""
        result, output = self.request_bytes("query", params)
        return *protocol.read_query(result), output

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Subscribe, and yield (name, data) of each event until the daemon stops. There is no timeout."""
        self.request("subscribe", {})
        self._socket.settimeout(None)
        while line := self._line(at_end=b""):
            event = protocol.read_event(line)
            if event is not None:
                yield event

    def _connect_when_accepted(self) -> None:
        """Connect. While the listen queue of the daemon is full, retry for some seconds."""
        end = time.monotonic() + min(self._timeout, QUEUED)
        while True:
            try:
                return self._socket.connect(self._path)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError from None
                time.sleep(0.01)

    def _send(self, line: bytes) -> Response:
        """Send a request and read its response. Raises Refused, NoDaemon or DaemonError."""
        try:
            self._socket.sendall(line)
        except TimeoutError:
            raise DaemonError("the daemon does not read requests") from None
        except OSError:
            pass  # the connection is closed; its last response may contain the reason
        wrong = DaemonError("the daemon sent the response to another request", "Try again.")
        try:
            response = protocol.read_response(self._line())
        except Refused as error:
            if error.request not in (None, self._next):
                raise wrong from None
            raise
        if response.id != self._next:
            raise wrong
        return response

    def _line(self, at_end: bytes | None = None) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > protocol.LINE_LIMIT:
                raise Refused(
                    protocol.TOO_LONG, f"the daemon sent a line of more than {protocol.LINE_LIMIT} bytes"
                )
            part = self._receive()
            if not part:
                if at_end is not None:
                    return at_end
                raise (NoDaemon if self._buffer else _ConnectionClosed)(
                    "the daemon stopped before it responded"
                )
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
                raise NoDaemon("the daemon stopped in the middle of its response")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _receive(self, size: int = _CHUNK) -> bytes:
        try:
            return self._socket.recv(size)
        except TimeoutError:
            raise DaemonError(f"the daemon did not respond within {self._socket.gettimeout():g} s") from None
        except OSError:
            return b""


def request(path: str, method: str, params: dict[str, Any], timeout: float = TIMEOUT) -> Any:
    """Send one request on a new connection and return its result. Raises NoDaemon, DaemonError or Refused."""
    with Connection(path, timeout) as daemon:
        return daemon.request(method, params)


def query(path: str, params: dict[str, Any]) -> tuple[list[str], Exit, bytes]:
    """Run one search on a new connection, see `Connection.query`. Raises NoDaemon, DaemonError or Refused."""
    with Connection(path) as daemon:
        return daemon.query(params)


def _peer(connected: socket.socket, path: str) -> tuple[int, int]:
    """Return the ids of the listening process (0: unknown) and its user. Prefer the kernel's record: the file may be replaced meanwhile."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # pid, uid, gid
        return int.from_bytes(credentials[:4], sys.byteorder), int.from_bytes(credentials[4:8], sys.byteorder)
    return 0, os.stat(path).st_uid


def _is_suspended(process: int) -> bool:
    """Return whether a process was stopped by a signal, as Ctrl-Z does."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False
