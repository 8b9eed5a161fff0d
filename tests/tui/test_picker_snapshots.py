"""How the main screens look. A change on purpose: `pytest tests/tui/test_picker_snapshots.py --snapshot-update`.

The library is made for the picture: drawn photos with captions written here, searched by their words, so
that no model and no folder's name can change what is seen.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from saving import save
from textual.pilot import Pilot

from imgret.config import load, places
from imgret.decode.pool import DecodePool
from imgret.photo import Detection, FileStat, ModelIdentity
from imgret.store.factory import open_store
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.index_backend import IndexBackend
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.picker_app import PickerApp
from imgret_tui.query_history import QueryHistory
from imgret_tui.terminal_session import TerminalSession

DRAWN = [
    ("sea", "#2060c0", "a small boat on a blue sea", {"boat": 1}),
    ("meadow", "#30a040", "two dogs run over a green meadow", {"dog": 2}),
    ("evening", "#d06020", "a red sky over the boat house", {"house": 1}),
    ("snow", "#e8e8f0", "a dog sleeps in the snow", {"dog": 1}),
    ("night", "#101030", None, {}),
]
MADE_BY = ModelIdentity("by hand", "1")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five photos in an index of their own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    config = tmp_path / "config.toml"
    config.write_text(
        "".join(
            f'[{stage}]\nweights = "none"\n'
            for stage in ("place", "image", "caption", "detect", "ocr", "topics", "embed")
        )
    )
    monkeypatch.setenv("IMGRET_CONFIG", str(config))
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "index.db"))
    with open_store(str(tmp_path / "index.db")) as store, DecodePool(1) as pool:
        root = store.roots.add(os.fsencode(folder))
        for number, (name, colour, caption, objects) in enumerate(DRAWN):
            path = folder / f"{name}.png"
            image = Image.new("RGB", (160, 120), colour)
            ImageDraw.Draw(image).ellipse([50, 30, 110, 90], fill="#f0d040")
            image.save(path)
            stat = path.stat()
            stamp = FileStat(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            content, _ = store.photos.save(root.id, b"", path.name.encode(), stamp, bytes([number]) * 32, 1)
            decoded = pool.submit(os.fsencode(path)).result()
            store.contents.save_facts(content, decoded.facts, decoded.pixel_hash)
            if caption:
                save(store, content, "caption", MADE_BY, (caption,))
            boxes = [
                Detection(label, 0.9, (0, 0, 1, 1)) for label, count in objects.items() for _ in range(count)
            ]
            save(store, content, "detect", MADE_BY, tuple(boxes))
            store.results.refresh_words(content)


def app(query: str, graphics: Graphics = Graphics.BLOCKS) -> PickerApp:
    """The app on that index."""
    where = places()
    return PickerApp(
        lambda: IndexBackend(load(where.config), where),
        query=query,
        multi=True,
        history=QueryHistory(os.path.join(where.state, "questions")),
        memory=LayoutMemory(os.path.join(where.state, "picker-layout")),
        terminal=TerminalSession(-1, Capabilities(graphics)),
    )


def after(*keys: str) -> Callable[[Pilot[object]], Awaitable[None]]:
    """Wait for the hits and their pictures, press keys, wait again."""

    async def run(pilot: Pilot[object]) -> None:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    async def settled(pilot: Pilot[object]) -> None:
        here = pilot.app
        assert isinstance(here, PickerApp)
        quiet = 0
        for _ in range(2000):
            busy = here.search.is_searching or here.images.is_loading or here.search.photo_pane.is_waiting
            busy = busy or "photos" not in str(here.search.status_line.content)  # the status has not arrived
            quiet = 0 if busy else quiet + 1
            if quiet > 3:
                return
            await pilot.pause(0.02)
        raise AssertionError("it does not settle")

    return run


Compare = Callable[..., bool]


def test_the_list(library: None, snap_compare: Compare) -> None:
    assert snap_compare(app("boat"), terminal_size=(60, 18), run_before=after("tab"))


def test_the_grid(library: None, snap_compare: Compare) -> None:
    assert snap_compare(app(""), terminal_size=(60, 24), run_before=after("ctrl+o", "right"))


def test_the_light_theme(library: None, snap_compare: Compare) -> None:
    assert snap_compare(app("dogs"), terminal_size=(60, 18), run_before=after("ctrl+t"))


def test_an_error_below_the_query(library: None, snap_compare: Compare) -> None:
    assert snap_compare(app("boat after:never"), terminal_size=(60, 18), run_before=after())


def test_the_help(library: None, snap_compare: Compare) -> None:
    assert snap_compare(
        app("dog"), terminal_size=(100, 40), run_before=after("alt+p", "f1")
    )  # no preview with a path


def test_a_note(library: None, snap_compare: Compare) -> None:
    assert snap_compare(app("snow"), terminal_size=(60, 18), run_before=after("alt+n", "h", "i"))


def test_a_small_terminal(library: None, snap_compare: Compare) -> None:
    assert snap_compare(app("dog"), terminal_size=(30, 8), run_before=after("down"))
