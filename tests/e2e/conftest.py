"""Libraries of drawn pictures for the tests of the whole command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

# tests are imported by path (importlib mode), so the folder of their shared helpers is added here
sys.path.insert(0, str(Path(__file__).parent))

from command_line import DRAWN, TINY, WORDLLAMA, WORDS_ONLY, Library, draw, settle_clock


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library described by the four tiny models. Tests do not change it; `library` is a copy."""
    made = Library(tmp_path_factory.mktemp("described"))
    made.photos.mkdir()
    made.config.write_text(TINY)
    for seed, (name, drawing) in enumerate(DRAWN.items()):
        draw(made.photos / name, *drawing, seed=seed)
    settle_clock(made.photos)
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("describing")
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOME"):
            patch.setenv(variable, str(home))
        for variable, value in made.environ().items():
            patch.setenv(variable, value)
        done = made.index()
    assert done.code == 0, done.err
    return made


@pytest.fixture
def library(described: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library of one's own: five drawn pictures, described by the four tiny models."""
    mine = Library(tmp_path / "library")
    shutil.copytree(described.home, mine.home)
    mine.write("UPDATE root SET path = ?, filesystem = NULL", os.fsencode(mine.photos))
    for variable, value in mine.environ().items():
        monkeypatch.setenv(variable, value)
    assert mine.index().code == 0  # copies have other inodes; their hashes are equal
    return mine


@pytest.fixture
def words(library: Library) -> Library:
    """The described library with every model switched off: commands start at once."""
    library.config.write_text(WORDS_ONLY)
    return library


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library without photos and without an index; no model but the small offline embedder."""
    mine = Library(tmp_path / "library")
    mine.photos.mkdir(parents=True)
    mine.config.write_text("decode_workers = 1\n" + WORDLLAMA)
    for variable, value in mine.environ().items():
        monkeypatch.setenv(variable, value)
    return mine
