"""A library made by the program itself: drawn pictures, described by the tiny models, in a real index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"


class Demo(NamedTuple):
    """Where the library of a test lies."""

    folder: Path
    config: str
    index: str
    pictures: Path


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `imgret demo --keep`, made once."""
    folder = tmp_path_factory.mktemp("tui") / "demo"
    subprocess.run(
        [sys.executable, "-m", "imgret", "demo", "--keep", str(folder)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    return folder


@pytest.fixture
def demo(described: Path, private_places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """A copy of the index for one test (the pictures stay where they were described), and the way to it."""
    index = tmp_path / "index.db"
    shutil.copy(described / "index.db", index)
    monkeypatch.setenv("IMGRET_INDEX", str(index))
    monkeypatch.setenv("IMGRET_CONFIG", str(described / "config.toml"))
    return Demo(described, str(described / "config.toml"), str(index), described / "pictures")
