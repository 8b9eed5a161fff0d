"""A library made by the program itself: drawn pictures, described by the tiny models, in a real index."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

os.environ["TEXTUAL_ANIMATIONS"] = "none"  # Textual reads both once, when it is imported
os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Static

from imgret.config import load, places
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.app import ImgretApp, Outcome, TerminalSession
from imgret_tui.history import History
from imgret_tui.indexed import IndexLibrary


class Demo(NamedTuple):
    """Where the library of a test lies."""

    folder: Path
    config: str
    store: str
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
    store = tmp_path / "index.db"
    shutil.copy(described / "index.db", store)
    monkeypatch.setenv("IMGRET_INDEX", str(store))
    monkeypatch.setenv("IMGRET_CONFIG", str(described / "config.toml"))
    return Demo(described, str(described / "config.toml"), str(store), described / "pictures")


class Running(NamedTuple):
    """An app under a pilot."""

    app: ImgretApp
    pilot: Pilot[Outcome]

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait for the final answer to the last question, and for what it shows."""
        await self.until(lambda: not self.app.search.is_searching, seconds)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it does not come true"
            await self.pilot.pause(0.02)

    async def type(self, text: str) -> None:
        """Write into the question as a paste does, and wait for its answer."""
        self.app.search.question.insert_text_at_cursor(text)
        await self.until(lambda: self.app.search.asked_text == self.app.search.question.value)
        await self.settled()

    async def clear(self) -> None:
        """Empty the question."""
        self.app.search.question.clear()

    async def press(self, *keys: str) -> None:
        """Press keys and let the screen follow."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    @property
    def names(self) -> list[str]:
        """The names of the hits, best first."""
        return [os.path.basename(hit.path).decode() for hit in self.app.search.results.hits]

    def text(self, selector: str) -> str:
        """What a widget of the screen says."""
        return str(self.app.screen.query_one(selector, Static).content)


@contextlib.asynccontextmanager
async def running(
    question: str = "",
    *,
    multi: bool = True,
    graphics: Graphics = Graphics.NONE,
    size: tuple[int, int] = (120, 36),
    colourless: bool = False,
    meaning: bool = False,
) -> AsyncIterator[Running]:
    """The real app on the real index of the environment, without a terminal.

    Questions are embedded with `meaning` only: loading torch takes longer than most tests.
    """
    where = places()
    settings = load(where.config)
    if not meaning:
        settings = replace(settings, embed=replace(settings.embed, weights="none"))
    app = ImgretApp(
        lambda: IndexLibrary(settings, where),
        question=question,
        multi=multi,
        history=History(os.path.join(where.state, "questions")),
        terminal=TerminalSession(-1, Capabilities(graphics)),
        colourless=colourless,
    )
    async with app.run_test(size=size) as pilot:
        here = Running(app, pilot)
        await here.settled()
        yield here


@pytest.fixture
def run(demo: Demo) -> Callable[..., contextlib.AbstractAsyncContextManager[Running]]:
    """`async with run("a question", size=(80, 24)) as here:` on the index of the demo."""
    return running
