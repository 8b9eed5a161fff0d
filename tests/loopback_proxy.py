"""A proxy between clients and a PostgreSQL server that counts round trips and can cut the connections, as a network does."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

SOCKET = ".s.PGSQL.5432"


class LoopbackProxy:
    """Forwards connections to the socket of a server until the `with` block ends."""

    def __init__(self, server: Path, replaced: tuple[bytes, bytes] = (b"", b"")) -> None:
        """`replaced`: what the server says, and what the client reads in its place."""
        self.round_trips = 0  # how often a client sent something after it had received something
        self._replaced = replaced
        self._server = server / SOCKET
        self._folder = tempfile.TemporaryDirectory(prefix="imgret-proxy-")
        self._loop = asyncio.new_event_loop()
        self._open = True
        self._flowing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    def place(self, place: str, server: Path) -> str:
        """The address of the library `place` through the proxy."""
        return place.replace(quote(str(server), safe=""), quote(self._folder.name, safe=""))

    def cut(self) -> None:
        """Close all connections, and refuse new ones."""
        self._open = False
        self._loop.call_soon_threadsafe(self._close)

    def stall(self) -> None:
        """Forward nothing, and close nothing."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def mend(self) -> None:
        """Forward again."""
        self._open = True
        self._loop.call_soon_threadsafe(self._flowing.set)

    def _close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def run() -> None:
            self._flowing.set()
            self._listener = await asyncio.start_unix_server(
                self._connected, str(Path(self._folder.name) / SOCKET)
            )
            self._ready.set()

        self._loop.run_until_complete(run())
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))  # until the tasks have closed their connections
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_unix_connection(str(self._server))
            self._writers |= {writer, back}
            received = asyncio.Event()
            received.set()
            await asyncio.gather(
                self._forward(reader, back, lambda: self._count(received)),
                self._forward(there, writer, received.set),
            )
        writer.transport.abort()

    def _count(self, received: asyncio.Event) -> None:
        self.round_trips += received.is_set()
        received.clear()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: Callable[[], None]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                passing()
                await self._flowing.wait()
                writer.write(data.replace(*self._replaced) if self._replaced[0] else data)
                await writer.drain()
        writer.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self.mend()
        self._loop.call_soon_threadsafe(self._listener.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._folder.cleanup()
