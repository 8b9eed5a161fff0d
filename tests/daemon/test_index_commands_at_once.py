"""Several `imgret index` beside one daemon: each waits until all photos of its own folders are described."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from imgret.store.policy import ARRIVED
from testbed.home import Home, tiny_models
from testbed.small_pngs import write_picture

PHOTOS = 60


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Home]:
    """A running daemon, and folders that it has not seen: three photos in `new`, many in the folder above it."""
    folder = tmp_path / "h"
    folder.mkdir()
    home = Home(tiny_models(), folder)
    (home.photos / "new").mkdir()
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        for number in range(PHOTOS):
            write_picture(home.photos / ("new" if number < 3 else "") / f"{number}.png", number)
        yield home


def waiting_below(home: Home, folder: Path) -> int:
    with home.index() as store:
        return len(store.summary.pending_below([bytes(folder)]))


def requests_of(home: Home) -> int:
    """How many commands have made their request so far."""
    with home.index() as store:
        return max(0, int(store.setting("requests") or 0) - ARRIVED)


@pytest.mark.parametrize("folders", [("", ""), ("", "new"), ("new", "")])
def test_a_command_ends_only_when_its_photos_are_described(library: Home, folders: tuple[str, str]) -> None:
    wanted = [library.photos / name for name in folders]
    running = {}
    for folder in wanted:
        command = [sys.executable, "-m", "imgret", "index", folder]
        process = subprocess.Popen(command, env=library.environ, stderr=subprocess.PIPE)
        running[process] = folder
        until(lambda process=process: process.poll() is not None or requests_of(library) >= len(running))
    ends = dict(running)
    while running:
        for process in list(running):
            if process.poll() is not None:
                assert waiting_below(library, running.pop(process)) == 0
        time.sleep(0.01)
    for process in ends:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert b"up to date" in errors
    assert len(library.indexed()) == PHOTOS
