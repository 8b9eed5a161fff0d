"""The index of `imgret demo`: drawn pictures, described by the tiny models."""

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
from rich.segment import Segment
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from imgret.config import load, places
from imgret.places import is_server
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.index_backend import IndexBackend
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.photo_actions import Outcome
from imgret_tui.picker_app import PickerApp
from imgret_tui.query_history import QueryHistory
from imgret_tui.terminal_session import TerminalSession


class Demo(NamedTuple):
    """The files of a test."""

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
    """A copy of the index for one test, set in the environment. The pictures are shared by all tests."""
    index = tmp_path / "index.db"
    shutil.copy(described / "index.db", index)
    monkeypatch.setenv("IMGRET_INDEX", str(index))
    monkeypatch.setenv("IMGRET_CONFIG", str(described / "config.toml"))
    return Demo(described, str(described / "config.toml"), str(index), described / "pictures")


class Running(NamedTuple):
    """An app under a pilot."""

    app: PickerApp
    pilot: Pilot[Outcome]

    async def settled(self, seconds: float = 60.0) -> None:
        """Wait for the final results of the last query, and until they are on the screen."""
        await self.until(lambda: not self.app.search.is_searching, seconds)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool], seconds: float = 100.0) -> None:
        """Wait until a condition is true."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "the condition did not become true"
            await self.pilot.pause(0.02)

    async def type(self, text: str) -> None:
        """Paste into the query, and wait for the results."""
        self.app.search.query_input.insert_text_at_cursor(text)
        await self.until(lambda: self.app.search.searched_text == self.app.search.query_input.value)
        await self.settled()

    async def clear(self) -> None:
        """Empty the query."""
        self.app.search.query_input.clear()

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until the screen is up to date."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def press_without_waiting(self, *keys: str) -> None:
        """Press all keys at once, without waiting for what one of them does."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))

    @property
    def names(self) -> list[str]:
        """The names of the hits, best first."""
        return [os.path.basename(hit.path).decode() for hit in self.app.search.hit_list.hits]

    @property
    def notices(self) -> list[str]:
        """The notifications so far. Textual has no public list of them."""
        return [str(notice.message) for notice in self.app._notifications]

    @property
    def screen_lines(self) -> list[list[Segment]]:
        """What the screen shows, line by line. Textual has no public access to it but a picture."""
        return [list(line) for line in self.app.screen._compositor.render_strips()]

    def text(self, selector: str) -> str:
        """The text of a widget."""
        return str(self.app.screen.query_one(selector, Static).content)


@contextlib.asynccontextmanager
async def running(
    query: str = "",
    *,
    multi: bool = True,
    graphics: Graphics = Graphics.NONE,
    size: tuple[int, int] = (120, 36),
    colourless: bool = False,
    is_light: bool = False,
    meaning: bool = False,
) -> AsyncIterator[Running]:
    """The app on the index of the environment, without a terminal.

    Only with `meaning` are queries embedded: loading torch takes longer than most tests.
    """
    where = places()
    settings = load(where.config)
    if not meaning:
        settings = settings.with_tables(embed=replace(settings.of("embed"), weights="none"))
    app = PickerApp(
        lambda: IndexBackend(settings, where),
        query=query,
        multi=multi,
        history=QueryHistory(os.path.join(where.state, "questions")),
        memory=LayoutMemory(os.path.join(where.state, "picker-layout")),
        terminal=TerminalSession(-1, Capabilities(graphics, is_light=is_light)),
        colourless=colourless,
        server=where.index if is_server(where.index) else None,
    )
    async with app.run_test(size=size) as pilot:
        here = Running(app, pilot)
        await here.settled()
        yield here


@pytest.fixture
def run(demo: Demo) -> Callable[..., contextlib.AbstractAsyncContextManager[Running]]:
    """`async with run("a query", size=(80, 24)) as here:` on the index of the demo."""
    return running
