"""A fixture with a real imgretd, in places of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.home import Daemon, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=_short(tmp_path))


@pytest.fixture
def daemon(home: Home) -> Iterator[Daemon]:
    """It runs. A log with a traceback in it fails the test, whatever else it showed."""
    with home.daemon() as daemon:
        yield daemon
    assert "Traceback" not in daemon.log(), daemon.log()


def _short(tmp_path: Path) -> Path:
    """The path of a Unix socket has 107 bytes."""
    folder = tmp_path / "h"
    folder.mkdir()
    return folder
