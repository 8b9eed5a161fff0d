"""The server object in this process: methods that fail in any way, and clients whose deadlines pass."""

import asyncio
import contextlib
import errno
import json
import os

import pytest
from imgretd import serve
from imgretd.listen import listen
from imgretd.serve import Reply, Server

from imgret.client import protocol
from imgret.errors import IndexProblem

KINDS = [
    OverflowError("date value out of range"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed"),
    KeyError("\udcff"),
    AssertionError(),
    StopAsyncIteration(),
    OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW), "/a"),
    TimeoutError(),
    IndexProblem("x" * 2_000_000, "y" * 2_000_000),
    ValueError(float("nan")),
]


@contextlib.asynccontextmanager
async def serving(path, **methods):
    """A server of these methods; yields its socket."""
    server = Server(methods, lambda: ("idle", {}))
    await server.start(listen(path))
    try:
        yield
    finally:
        await server.close(1.0)


async def exchange(path, *lines):
    """The responses to lines that are sent at once on one connection."""
    reader, writer = await asyncio.open_unix_connection(path, limit=protocol.LINE_LIMIT)
    writer.write(b"".join(lines))
    try:
        return [json.loads(await asyncio.wait_for(reader.readline(), 20)) for _ in lines]
    finally:
        writer.close()


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
async def test_a_method_that_fails_in_any_way_fails_one_request(tmp_path, error):
    async def fails(_params):
        raise error

    async def works(_params):
        return Reply({"fine": True})

    path = str(tmp_path / "s")
    async with serving(path, fails=fails, works=works):
        request = protocol.request_line(1, "fails", {})
        refused, accepted = await exchange(path, request, protocol.request_line(2, "works", {}))
    assert (refused["id"], refused["error"]["exit"] in (3, 4)) == (1, True)
    assert refused["error"]["message"]
    assert (accepted["id"], accepted["result"]) == (2, {"fine": True})


@pytest.mark.parametrize("result", [float("nan"), float("inf"), {1, 2}, b"bytes", {("a", "b"): 1}], ids=repr)
async def test_a_result_that_is_no_json_is_an_error(tmp_path, result):
    async def odd(_params):
        return Reply(result)

    path = str(tmp_path / "s")
    async with serving(path, odd=odd):
        (answer,) = await exchange(path, protocol.request_line(1, "odd", {}))
    assert answer["error"]["exit"] == 4


async def test_a_line_that_trickles_in_has_one_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "HALF_LINE_SECONDS", 0.5)
    path = str(tmp_path / "s")
    async with serving(path):
        reader, writer = await asyncio.open_unix_connection(path)
        reply = asyncio.ensure_future(reader.readline())
        for _ in range(100):
            writer.write(b"{")
            await asyncio.wait([reply], timeout=0.1)
            if reply.done():
                break
        assert json.loads(reply.result())["error"]["code"] == protocol.TIMED_OUT
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_reads_nothing_of_a_large_response_is_disconnected(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "UNREAD_SECONDS", 0.3)
    monkeypatch.setattr(serve, "CLOSE_SECONDS", 0.3)

    async def large(_params):
        return Reply({}, b"x" * (8 << 20))

    path = str(tmp_path / "s")
    before = len(os.listdir("/proc/self/fd"))
    async with serving(path, large=large):
        _, writer = await asyncio.open_unix_connection(path, limit=1024)
        writer.write(protocol.request_line(1, "large", {}))
        end = asyncio.get_running_loop().time() + 20
        while len(os.listdir("/proc/self/fd")) > before + 2:  # the listener and our own end
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.05)
        writer.close()


async def test_a_client_with_a_request_in_progress_is_not_disconnected_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "most_clients", lambda: 3)
    go_on = asyncio.Event()

    async def slow(_params):
        await go_on.wait()
        return Reply({"slow": True})

    path = str(tmp_path / "s")
    async with serving(path, slow=slow):
        slow_ones = [
            asyncio.ensure_future(exchange(path, protocol.request_line(n, "slow", {}))) for n in range(3)
        ]
        end = asyncio.get_running_loop().time() + 20
        code = None
        while (
            code != protocol.BUSY
        ):  # until all three requests are running, the fourth takes a place of theirs
            assert asyncio.get_running_loop().time() < end
            with contextlib.suppress(OSError, ValueError):
                code = (await exchange(path, b""))[0]["error"]["code"]
            slow_ones = [
                asyncio.ensure_future(exchange(path, protocol.request_line(9, "slow", {})))
                if one.done()
                else one
                for one in slow_ones
            ]
            await asyncio.sleep(0.02)
        go_on.set()
        assert [(await one)[0]["result"] for one in slow_ones] == [{"slow": True}] * 3
