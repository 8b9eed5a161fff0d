"""A call that does not return costs its own thread and delays no other request."""

import asyncio
import os
import threading
import time

import pytest
from imgretd import daemon_service, folder_requests, threads
from imgretd.control import Control
from waiting import until

from imgret.client import socket_client
from imgret.client.protocol import Refused
from imgret.config import parse, places
from imgret.errors import DaemonError, DiskFull
from imgret.pipeline.loading import load_models
from testbed.home import WORDLLAMA


def test_a_call_that_hangs_delays_only_those_behind_it():
    hangs = threading.Event()

    async def live():
        control, other = Control("control"), Control("probe")
        waiting = asyncio.create_task(control.run(lambda: hangs.wait(30), 0.2))
        with pytest.raises(DaemonError, match="did not respond in time"):
            await waiting
        assert control.busy_seconds >= 0.2
        assert await other.run(lambda: 1) == 1
        with pytest.raises(DiskFull):
            await other.run(lambda: (_ for _ in ()).throw(DiskFull("full")))
        behind = asyncio.create_task(control.run(lambda: 2))
        hangs.set()
        assert await asyncio.wait_for(behind, 10) == 2
        until(lambda: control.busy_seconds == 0)  # its thread ends the call after the response

    asyncio.run(live())


def test_a_bug_in_the_timers_ends_the_daemon_with_its_reason(monkeypatch, caplog):
    """Without systemd nothing else would notice that they have stopped."""
    monkeypatch.setattr(daemon_service, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    daemon = daemon_service.Service(places(), parse(WORDLLAMA), load_models)
    monkeypatch.setattr(daemon.threads, "slow", lambda: {}["a bug"] if daemon.threads.begun else None)
    with pytest.raises(DaemonError, match="one of its tasks failed: unexpected KeyError: 'a bug'"):
        asyncio.run(asyncio.wait_for(daemon.run(), 60))
    assert any(record.exc_info and record.levelname == "CRITICAL" for record in caplog.records)
    assert not os.path.exists(places().socket)


def test_a_folder_that_hangs_is_reported_and_delays_no_other_request(monkeypatch, tmp_path):
    """`isdir` on a network share that is gone does not return."""
    monkeypatch.setattr(folder_requests, "CONTROL_SECONDS", 0.5)
    monkeypatch.setattr(threads, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(daemon_service, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    back, isdir, known = threading.Event(), os.path.isdir, tmp_path / "known"
    known.mkdir()

    def hanging(path):
        if os.fsencode(path) == b"/share":
            back.wait(60)
        return isdir(path)

    monkeypatch.setattr(os.path, "isdir", hanging)
    daemon = daemon_service.Service(places(), parse(WORDLLAMA), load_models)

    def send_requests():
        problems = []
        until(lambda: os.path.exists(places().socket))
        until(lambda: socket_client.request(places().socket, "status", {})["state"] == "idle")
        with pytest.raises(Refused, match="did not respond in time"):
            socket_client.request(places().socket, "index", {"paths": ["/share"]})
        for _ in range(5):
            began = time.monotonic()
            problems.append(socket_client.request(places().socket, "status", {})["problem"])
            assert time.monotonic() - began < 10  # the folder hangs for a minute
        assert any("does not respond" in problem for problem in problems)
        socket_client.request(places().socket, "reload", {})  # it needs no such folder
        back.set()
        assert socket_client.request(places().socket, "index", {"paths": [str(known)]})["folders"] == 1
        until(lambda: socket_client.request(places().socket, "status", {})["problem"] is None)

    async def live():
        running = asyncio.create_task(daemon.run())
        try:
            await asyncio.to_thread(send_requests)
        finally:
            back.set()
            daemon.leave()
            await asyncio.wait_for(running, 20)

    asyncio.run(live())
