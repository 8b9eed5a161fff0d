"""The picker beside a daemon: it shows the daemon's status, saves notes, and survives its end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from testbed.fake_terminal import FakeTerminal
from testbed.home import Daemon, Home


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """An imgretd without models over a folder of three photos."""
    folder = tmp_path / "h"
    folder.mkdir()
    home = Home(folder=folder)
    for number, name in enumerate(("harbour", "meadow", "evening")):
        Image.new("RGB", (64, 48), (number * 80, 90, 200)).save(home.photos / f"{name}.png")
    with home.daemon() as running:
        running.wait_until_idle()
        yield running


def test_the_daemon_may_end_while_the_user_types(daemon: Daemon) -> None:
    with FakeTerminal(
        [sys.executable, "-m", "imgret_tui"], environ=daemon.home.environ, kind="plain"
    ) as terminal:
        terminal.until("daemon idle")
        terminal.type("harb")
        terminal.until("harbour.png")
        daemon.kill()
        here = len(terminal.output)
        terminal.type("our")
        terminal.until("no daemon", since=here)
        terminal.type("\x15")  # ctrl+u
        terminal.until_quiet()
        terminal.type("meadow")
        terminal.until_quiet(1)
        terminal.type("\r")
        assert terminal.ended() == 0
        assert b"meadow.png" in terminal.output.rpartition(b"\x1b[?1006l")[2]


def test_the_status_line_shows_what_the_daemon_does(daemon: Daemon) -> None:
    with FakeTerminal(
        [sys.executable, "-m", "imgret_tui"], environ=daemon.home.environ, kind="plain"
    ) as terminal:
        terminal.until("daemon idle")
        for command in ("pause", "resume"):
            here = len(terminal.output)
            subprocess.run(
                [sys.executable, "-m", "imgret", command],
                env=daemon.home.environ,
                check=True,
                capture_output=True,
            )
            terminal.until("paused" if command == "pause" else "idle", since=here)
        here = len(terminal.output)
        (daemon.home.photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        terminal.until("1 failed", since=here)
        here = len(terminal.output)
        daemon.home.photos.rename(daemon.home.photos.with_name("elsewhere"))
        terminal.until("4 offline", since=here)
        terminal.type("\x1b")
        assert terminal.ended() == 130


def test_a_note_is_saved_beside_a_daemon(daemon: Daemon) -> None:
    path = os.fsencode(daemon.home.photos / "harbour.png")
    with FakeTerminal(
        [sys.executable, "-m", "imgret_tui", "harbour"], environ=daemon.home.environ, kind="plain"
    ) as terminal:
        terminal.until("daemon idle")
        terminal.until("harbour.png")
        terminal.type("\x1bn")  # the note
        terminal.until("Note about harbour.png")
        terminal.type("where grandma lived\r")
        terminal.until("grandma")
        terminal.type("\x15")
        terminal.until_quiet()
        here = len(terminal.output)
        terminal.type("grandma")
        terminal.until("harbour.png", since=here)
        terminal.type("\x1b")
        assert terminal.ended() == 130
    with daemon.home.index() as store:
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        assert store.results.note(photo.content) == "where grandma lived"
