"""The server on the Unix socket: reads requests as lines and writes responses. No client can block others.

Only processes of the same user are served (SO_PEERCRED, and the mode of the socket file). The length of a line is
limited; there are time limits for completing a line and for reading a response. If there are too many clients, those
that have been idle longest are disconnected; a client reconnects by itself. The methods are defined elsewhere.
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
SHORT_SECONDS = 60.0  # between two log lines about a shortage of descriptors
_MOST_UNREAD_EVENTS = 1 << 20  # bytes; a subscriber that is further behind is dropped
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: SO_PEERCRED


class Reply(NamedTuple):
    """The result of a method, and a body of output that the client copies unchanged."""

    result: Any
    body: bytes = b""


Method = Callable[[dict[str, Any]], Awaitable[Reply]]


class _Client:
    """One connection. `waits_since` is when it became idle (the loop's clock); None while it is being served."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.waits_since: float | None = asyncio.get_running_loop().time()
        self.buffer = bytearray()  # received, but not yet processed as lines
        self.searched = 0  # how many bytes of the buffer are known to have no newline


class Server:
    """Serves one listening socket in one asyncio loop."""

    def __init__(self, methods: Mapping[str, Method], now: Callable[[], tuple[str, dict[str, Any]]]) -> None:
        """`methods` are the methods by name. `subscribe` is built in; it sends the event `now()` first."""
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
        """Start serving."""
        asyncio.get_running_loop().set_exception_handler(self._loop_failed)
        self._server = await asyncio.start_unix_server(
            self._accepted, sock=listener, limit=protocol.LINE_LIMIT, backlog=self._most_clients
        )

    def publish(self, name: str, data: dict[str, Any]) -> None:
        """Send an event to every subscriber. Call it in the loop's thread."""
        line = protocol.event_line(name, data)
        for writer in list(self._subscribers):
            if writer.transport.get_write_buffer_size() > _MOST_UNREAD_EVENTS:
                self._subscribers.discard(writer)
                writer.transport.abort()
            else:
                writer.write(line)

    async def close(self, seconds: float) -> None:
        """Accept no more requests, wait up to `seconds` for those in progress, and disconnect the clients."""
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
            writer.transport.abort()  # the client disconnected, or does not read
        except asyncio.CancelledError:
            writer.transport.abort()
            if not self._leaving and task in self._clients:
                raise
        finally:
            self._clients.pop(task, None)
            self._subscribers.discard(writer)
            await _close(writer)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a shortage of descriptors once in a while; asyncio would log a traceback for each connection."""
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
        """Disconnect the client that has been idle longest, subscribers last. Returns whether there was one."""
        waiting = [
            (client.writer in self._subscribers, client.waits_since, task)
            for task, client in self._clients.items()
            if client.waits_since is not None
        ]
        if not waiting:
            return False
        _, _, task = min(waiting, key=lambda each: each[:2])
        del self._clients[task]  # now, because many clients may connect before its task runs again
        task.cancel()
        return True

    async def _converse(self, reader: asyncio.StreamReader, client: _Client) -> None:
        while not self._leaving:
            line = await self._line(reader, client)
            if line is None:
                return
            client.waits_since = None
            response = await self._respond(line, client.writer)
            client.waits_since = asyncio.get_running_loop().time()
            client.writer.write(response)
            await asyncio.wait_for(client.writer.drain(), UNREAD_SECONDS)
            await asyncio.sleep(0)  # lets other clients run if the write and the next read do not block

    async def _line(self, reader: asyncio.StreamReader, client: _Client) -> bytes | None:
        """Return the next line without its newline; None at the end, or if it is too long or incomplete for too long."""
        buffer, deadline = client.buffer, None
        while (end := buffer.find(b"\n", client.searched)) < 0:
            client.searched = len(buffer)
            if len(buffer) >= protocol.LINE_LIMIT:
                error = Refused(protocol.TOO_LONG, f"a line is at most {protocol.LINE_LIMIT} bytes")
                client.writer.write(protocol.error_line(error))
                return None
            now = asyncio.get_running_loop().time()
            if buffer and deadline is None:
                deadline = now + HALF_LINE_SECONDS  # for the whole line, even if single bytes arrive
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

    async def _respond(self, line: bytes, writer: asyncio.StreamWriter) -> bytes:
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
        except Exception:  # a bug must affect one response, not the daemon
            log.exception("A request failed")
            mistake = Refused(protocol.FAILED, "the daemon failed because of a bug; see its log for details")
            mistake.request = request.id if request else None
            return protocol.error_line(mistake)
        finally:
            self._busy -= 1


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send pending data and disconnect, waiting at most CLOSE_SECONDS for a client that does not read."""
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
        return True  # only the mode of the file protects the socket on such a system
    peer: socket.socket = writer.get_extra_info("socket")
    pid, uid, _gid = _CREDENTIALS.unpack(
        peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    if uid != os.geteuid():
        log.warning(
            "Refused a connection of another user", extra={"fields": {"PEER_PID": pid, "PEER_UID": uid}}
        )
        return False
    return True
