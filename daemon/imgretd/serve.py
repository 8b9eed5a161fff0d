"""The Unix socket: lines in, answers out. Promises that no client can harm another or the daemon.

Only this user's processes are answered (SO_PEERCRED; the file's mode says the same). A line has a limit,
half a line a deadline, an answer that nobody reads another one. What a method does is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from imgret.errors import DaemonError, ImgretError
from imgret.link import messages
from imgret.link.messages import Refused, Request

log = logging.getLogger(__name__)

HALF_LINE_SECONDS = 10.0
UNREAD_SECONDS = 30.0
MOST_CLIENTS = 500
_MOST_UNREAD_EVENTS = 1 << 20  # bytes; a subscriber that is further behind is dropped
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: SO_PEERCRED


class Reply(NamedTuple):
    """What a method gives: a result, and finished output that the client copies."""

    result: Any
    body: bytes = b""


Method = Callable[[dict[str, Any]], Awaitable[Reply]]


class Server:
    """Answers on one listening socket. Lives in one asyncio loop."""

    def __init__(self, methods: Mapping[str, Method], now: Callable[[], tuple[str, dict[str, Any]]]) -> None:
        """`subscribe` is answered here, with the event `now()` first; other methods are those of `methods`."""
        self._methods = methods
        self._now = now
        self._clients: set[asyncio.Task[None]] = set()
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._leaving = False
        self._busy = 0

    @property
    def busy(self) -> int:
        """How many requests are being worked on."""
        return self._busy

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_unix_server(
            self._accepted, sock=listener, limit=messages.LINE_LIMIT, backlog=MOST_CLIENTS
        )

    def publish(self, name: str, data: dict[str, Any]) -> None:
        """Tell every subscriber. From the loop's thread."""
        line = messages.event_line(name, data)
        for writer in list(self._subscribers):
            if writer.transport.get_write_buffer_size() > _MOST_UNREAD_EVENTS:
                self._subscribers.discard(writer)
                writer.transport.abort()
            else:
                writer.write(line)

    async def close(self, seconds: float) -> None:
        """Take no more questions, give those being worked on `seconds` to finish, hang up."""
        self._leaving = True
        if self._server is not None:
            self._server.close()
        deadline = asyncio.get_running_loop().time() + seconds
        while self._busy and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if _is_ours(writer):
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # it hung up, or does not read: its own loss
        except asyncio.CancelledError:
            if not self._leaving:
                raise
        finally:
            self._clients.discard(task)
            self._subscribers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) > MOST_CLIENTS:
            writer.write(messages.error_line(Refused(messages.FAILED, "too many clients at once")))
            return
        buffer = b""
        while not self._leaving:
            line, newline, rest = buffer.partition(b"\n")
            if newline:
                buffer = rest
                writer.write(await self._answer(line, writer))
                await asyncio.wait_for(writer.drain(), UNREAD_SECONDS)
                continue
            if len(buffer) >= messages.LINE_LIMIT:
                error = Refused(messages.TOO_LONG, f"a line is at most {messages.LINE_LIMIT} bytes")
                writer.write(messages.error_line(error))
                return
            try:
                part = await asyncio.wait_for(
                    reader.read(messages.LINE_LIMIT), HALF_LINE_SECONDS if buffer else None
                )
            except TimeoutError:
                writer.write(messages.error_line(Refused(messages.TIMED_OUT, "the line has no end")))
                return
            if not part:
                return
            buffer += part

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> bytes:
        request: Request | None = None
        self._busy += 1
        try:
            request = messages.read_request(line)
            if request.method == "subscribe":
                self._subscribers.add(writer)
                return messages.result_line(request.id, {}) + messages.event_line(*self._now())
            method = self._methods.get(request.method)
            if method is None:
                raise Refused(messages.UNKNOWN_METHOD, f"no method {request.method[:100]!r}")
            reply = await method(request.params)
            return messages.result_line(request.id, reply.result, len(reply.body)) + reply.body
        except Refused as error:
            error.request = request.id if request else error.request
            return messages.error_line(error)
        except ImgretError as error:
            return messages.error_line(messages.refusal(error, request.id if request else None))
        except Exception:  # the process's boundary: a mistake of ours must cost one answer, not the daemon
            log.exception("A request failed")
            mistake = Refused(messages.FAILED, "the daemon made a mistake; its log says which")
            mistake.request = request.id if request else None
            return messages.error_line(mistake)
        finally:
            self._busy -= 1


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Be the one daemon at this socket's path. The kernel drops the lock with the process."""
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DaemonError(f"{path}.lock cannot be made: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DaemonError(f"another daemon listens at {path}", "Stop it, or set IMGRET_SOCKET.") from None
    finally:
        os.close(lock)


def listen(path: str) -> socket.socket:
    """A listening socket at `path`, mode 0600. A stale file is replaced, a living daemon's is not.

    Raises DaemonError. The caller is `alone`, so no other daemon starts meanwhile.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
        raise DaemonError(f"another daemon listens at {path}", "Stop it, or set IMGRET_SOCKET.")
    except FileNotFoundError:
        pass
    except ConnectionRefusedError:  # so says a socket without a daemon, and so does every other kind of file
        try:
            remove_socket(path)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        listener.close()
        raise DaemonError(f"{path} cannot be listened at: {error.strerror or error}") from None
    except DaemonError:
        listener.close()
        raise
    before = os.umask(0o177)  # the file is never there with another mode
    try:
        listener.bind(path)
    except OSError as error:
        listener.close()
        raise DaemonError(f"{path} cannot be listened at: {error.strerror or error}") from None
    finally:
        os.umask(before)
    listener.listen(MOST_CLIENTS)
    return listener


def remove_socket(path: str) -> None:
    """Remove the socket that a daemon of this user has made; DaemonError for whatever else is there."""
    status = os.lstat(path)
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise DaemonError(
            f"{path} is not a socket of yours, so the daemon cannot listen there",
            "Name another path with IMGRET_SOCKET.",
        )
    os.unlink(path)


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the mode of the file is what protects it there
    peer: socket.socket = writer.get_extra_info("socket")
    pid, uid, _gid = _CREDENTIALS.unpack(
        peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    if uid != os.geteuid():
        log.warning("Hung up on another user's process", extra={"fields": {"PEER_PID": pid, "PEER_UID": uid}})
        return False
    return True
