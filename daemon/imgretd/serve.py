"""The Unix socket: lines in, answers out. Promises that no client can harm another or the daemon.

Only this user's processes are answered (SO_PEERCRED; the file's mode says the same). A line has a limit,
half a line a deadline, an answer that nobody reads another one, and of too many clients those that have been
waited for longest are hung up on: a client connects again. What a method does is not known here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from imgret.client import protocol
from imgret.client.protocol import Refused, Request
from imgret.errors import ImgretError
from imgret.limits import shortage
from imgretd.listen import most_clients

log = logging.getLogger(__name__)

HALF_LINE_SECONDS = 10.0
UNREAD_SECONDS = 30.0
CLOSE_SECONDS = 2.0
SHORT_SECONDS = 60.0  # between two lines in the log about a shortage
_MOST_UNREAD_EVENTS = 1 << 20  # bytes; a subscriber that is further behind is dropped
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: SO_PEERCRED


class Reply(NamedTuple):
    """What a method gives: a result, and finished output that the client copies."""

    result: Any
    body: bytes = b""


Method = Callable[[dict[str, Any]], Awaitable[Reply]]


class _Client:
    """One connection, and since when (the loop's clock) the daemon waits for it; None: it is being answered."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.waits_since: float | None = asyncio.get_running_loop().time()
        self.buffer = bytearray()  # received and not yet read as lines
        self.searched = 0  # bytes of it without a newline


class Server:
    """Answers on one listening socket. Lives in one asyncio loop."""

    def __init__(self, methods: Mapping[str, Method], now: Callable[[], tuple[str, dict[str, Any]]]) -> None:
        """`subscribe` is answered here, with the event `now()` first; other methods are those of `methods`."""
        self._methods = methods
        self._now = now
        self._clients: dict[asyncio.Task[None], _Client] = {}
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._leaving = False
        self._busy = 0
        self._most_clients = most_clients()
        self._short_until = -math.inf  # when a shortage may be logged again, by the loop's clock

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().set_exception_handler(self._loop_failed)
        self._server = await asyncio.start_unix_server(
            self._accepted, sock=listener, limit=protocol.LINE_LIMIT, backlog=self._most_clients
        )

    def publish(self, name: str, data: dict[str, Any]) -> None:
        """Tell every subscriber. From the loop's thread."""
        line = protocol.event_line(name, data)
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
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        client = _Client(writer)
        try:
            if not _is_ours(writer):
                return
            if len(self._clients) >= self._most_clients and not self._make_room():
                writer.write(protocol.error_line(Refused(protocol.BUSY, "too many clients at once")))
                return
            self._clients[task] = client
            await self._converse(reader, client)
        except (OSError, TimeoutError):
            writer.transport.abort()  # it hung up, or does not read: its own loss
        except asyncio.CancelledError:
            writer.transport.abort()
            if not self._leaving and task in self._clients:
                raise
        finally:
            self._clients.pop(task, None)
            self._subscribers.discard(writer)
            await _close(writer)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log by itself: a full traceback for each connection that it has no descriptor for."""
        error = context.get("exception")
        short = shortage(error) if error is not None else None
        if short is None:
            return loop.default_exception_handler(context)
        self._make_room()
        if loop.time() >= self._short_until:
            self._short_until = loop.time() + SHORT_SECONDS
            log.error("Connections have to wait: %s", short.advice)
        return None

    def _make_room(self) -> bool:
        """Hang up on who has been waited for longest; who only listens to events stays as long as it can be."""
        waiting = [
            (client.writer in self._subscribers, client.waits_since, task)
            for task, client in self._clients.items()
            if client.waits_since is not None
        ]
        if not waiting:
            return False
        _, _, task = min(waiting, key=lambda each: each[:2])
        del self._clients[task]  # at once: many may come before its task runs again
        task.cancel()
        return True

    async def _converse(self, reader: asyncio.StreamReader, client: _Client) -> None:
        while not self._leaving:
            line = await self._line(reader, client)
            if line is None:
                return
            client.waits_since = None
            answer = await self._answer(line, client.writer)
            client.waits_since = asyncio.get_running_loop().time()
            client.writer.write(answer)
            await asyncio.wait_for(client.writer.drain(), UNREAD_SECONDS)
            await asyncio.sleep(0)  # neither of these need wait: others have their turn now

    async def _line(self, reader: asyncio.StreamReader, client: _Client) -> bytes | None:
        """The next line without its newline; None when there is none, or none that will be waited for."""
        buffer, deadline = client.buffer, None
        while (end := buffer.find(b"\n", client.searched)) < 0:
            client.searched = len(buffer)
            if len(buffer) >= protocol.LINE_LIMIT:
                error = Refused(protocol.TOO_LONG, f"a line is at most {protocol.LINE_LIMIT} bytes")
                client.writer.write(protocol.error_line(error))
                return None
            now = asyncio.get_running_loop().time()
            if buffer and deadline is None:
                deadline = now + HALF_LINE_SECONDS  # of the whole line, however often a byte of it comes
            try:
                part = await asyncio.wait_for(
                    reader.read(protocol.LINE_LIMIT), None if deadline is None else deadline - now
                )
            except TimeoutError:
                client.writer.write(protocol.error_line(Refused(protocol.TIMED_OUT, "the line has no end")))
                return None
            if not part:
                return None
            buffer += part
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        client.searched = 0
        return line

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> bytes:
        request: Request | None = None
        self._busy += 1
        try:
            request = protocol.read_request(line)
            if request.method == "subscribe":
                self._subscribers.add(writer)
                return protocol.result_line(request.id, {}) + protocol.event_line(*self._now())
            method = self._methods.get(request.method)
            if method is None:
                raise Refused(protocol.UNKNOWN_METHOD, f"no method {request.method[:100]!r}")
            reply = await method(request.params)
            return protocol.result_line(request.id, reply.result, len(reply.body)) + reply.body
        except Refused as error:
            error.request = request.id if request else error.request
            return protocol.error_line(error)
        except ImgretError as error:
            return protocol.error_line(protocol.refusal(error, request.id if request else None))
        except Exception:  # the process's boundary: a mistake of ours must cost one answer, not the daemon
            log.exception("A request failed")
            mistake = Refused(protocol.FAILED, "the daemon made a mistake; its log says which")
            mistake.request = request.id if request else None
            return protocol.error_line(mistake)
        finally:
            self._busy -= 1


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what is left and hang up; one that does not read is not waited for long."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), CLOSE_SECONDS)
    except (OSError, TimeoutError):
        writer.transport.abort()
    except asyncio.CancelledError:
        writer.transport.abort()
        raise


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
