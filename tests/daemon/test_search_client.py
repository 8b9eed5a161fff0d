"""Searches go to the daemon of the index while there is one, and run in this process otherwise."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest
from msgspec.structs import replace

from imgret.client.running import daemon_status, request_if_running
from imgret.client.socket_client import request
from imgret.config import Settings
from imgret.errors import DaemonError, ImgretError, UsageError
from imgret.note_writing import write_note_at
from imgret.search_client import SearchClient
from imgret.store.factory import open_store
from testbed.home import Daemon, Home
from testbed.small_pngs import write_picture

SUNSET = {"text": "sunset", "format": "plain", "rank": "words"}


@pytest.fixture
def searched(home: Home, daemon: Daemon) -> Home:
    """A daemon with one photo, found by its name."""
    write_picture(home.photos / "sunset.png", 1)
    daemon.wait_until_idle()
    return home


def test_a_search_survives_the_daemon_and_returns_to_it(searched: Home, daemon: Daemon) -> None:
    expected = os.fsencode(searched.photos / "sunset.png") + b"\n"
    warnings: list[str] = []
    with SearchClient(Settings(), searched.places, warn=warnings.append, retry_seconds=0.5) as client:
        assert client.search(SUNSET).output == expected
        assert not client.is_local
        daemon.kill()
        assert client.search(SUNSET).output == expected
        assert client.is_local
        daemon.start()
        time.sleep(0.5)
        assert client.search(SUNSET).output == expected
        assert not client.is_local
        with pytest.raises(ImgretError, match="rank nonsense"):
            client.search({**SUNSET, "rank": "nonsense"})
    assert warnings == []


def test_a_missing_daemon_is_not_contacted_again(searched: Home, daemon: Daemon) -> None:
    daemon.kill()
    with SearchClient(Settings(), searched.places, warn=pytest.fail) as client:
        client.search(SUNSET)
        daemon.start()
        client.search(SUNSET)
        assert client.is_local


def test_a_daemon_of_another_index_is_not_used(searched: Home) -> None:
    places = replace(searched.places, index=str(searched.path / "other.db"))
    open_store(places.index).close()
    assert daemon_status(places.socket, places.index) is None
    assert not request_if_running(places.socket, places.index, "pause", {})
    with SearchClient(Settings(), places, warn=pytest.fail) as client:
        assert client.search(SUNSET).output == b""
    status = daemon_status(places.socket, searched.places.index)
    assert status is not None
    assert not status.get("paused")


def test_a_daemon_that_fails_is_reported_once_and_done_without(home: Home) -> None:
    home.index().close()
    with (
        socket.socket(socket.AF_UNIX) as listening,
        SearchClient(Settings(), home.places, warn=(warnings := list[str]()).append) as client,
    ):
        listening.bind(home.places.socket)
        listening.listen()

        def respond() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b'{"v": 1, "id": 77, "result": {}}\n')

        thread = threading.Thread(target=respond)
        thread.start()
        for _ in range(2):
            assert client.search(SUNSET).output == b""
        thread.join()
    assert len(warnings) == 1
    assert warnings[0].endswith("searching without it")


def test_nobody_waits_for_a_suspended_daemon(searched: Home, daemon: Daemon) -> None:
    assert daemon.process is not None
    process = daemon.process.pid
    warnings: list[str] = []
    with SearchClient(Settings(), searched.places, warn=warnings.append) as client:
        os.kill(process, signal.SIGSTOP)
        os.waitpid(process, os.WUNTRACED)
        began = time.monotonic()
        assert client.search(SUNSET).output
        with pytest.raises(DaemonError, match="is suspended") as refused:
            request(searched.places.socket, "status", {})
        assert time.monotonic() - began < 30  # for a response, they would wait for a minute
        assert warnings == [f"the daemon is suspended (process {process}); searching without it"]
        assert refused.value.hint == f"`kill -CONT {process}` continues it."
        os.kill(process, signal.SIGCONT)
        assert request(searched.places.socket, "status", {})["state"] == "idle"


def test_a_note_is_saved_for_the_photo_that_was_shown(searched: Home) -> None:
    path = os.fsencode(searched.photos / "sunset.png")
    with searched.index() as store:
        write_note_at(store, Settings(), path, "our beach")
        with pytest.raises(UsageError, match="no longer the photo"):
            write_note_at(store, Settings(), path, "another", bytes(32))
    with SearchClient(Settings(), searched.places, warn=pytest.fail) as client:
        assert client.search_locally({**SUNSET, "text": "our beach"}).output == path + b"\n"
