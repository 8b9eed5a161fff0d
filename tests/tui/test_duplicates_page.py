"""The page of near-duplicates: groups, marks and the choice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from PIL import Image
from textual.pilot import Pilot

from imgret.config import load, places
from imgret.decode.pool import DecodePool
from imgret.photo import FileStat
from imgret.store.factory import open_store
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.index_backend import IndexBackend
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.picker_app import PickerApp
from imgret_tui.query_history import QueryHistory
from imgret_tui.screens.duplicates_screen import DuplicatesScreen
from imgret_tui.terminal_session import TerminalSession

Compare = Callable[..., bool]


def picture(seed: int) -> Image.Image:
    """A picture with structure at several scales, the same each time."""
    image = Image.new("RGB", (160, 120))
    for side in (3, 7, 15):
        step = 255 / side
        pixels = [
            (int(x * step * seed) % 256, int((x + y * seed) * step) % 256, int(y * step * (seed + 2)) % 256)
            for y in range(side)
            for x in range(side)
        ]
        layer = Image.new("RGB", (side, side))
        layer.putdata(pixels)
        image = Image.blend(image, layer.resize((160, 120), Image.Resampling.BICUBIC), 0.5)
    return image


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two groups, of three and of two photos, and a photo of its own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    config = tmp_path / "config.toml"
    config.write_text(
        "".join(f'[{name}]\nweights = "none"\n' for name in ("caption", "detect", "topics", "embed"))
    )
    monkeypatch.setenv("IMGRET_CONFIG", str(config))
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "index.db"))
    picture(1).save(folder / "beach.png")
    picture(1).resize((80, 60)).save(folder / "beach-small.png")
    picture(1).resize((40, 30)).save(folder / "beach-tiny.png")
    picture(4).save(folder / "forest.png")
    shutil.copy(folder / "forest.png", folder / "forest-copy.png")
    picture(9).save(folder / "street.png")
    with open_store(str(tmp_path / "index.db")) as store, DecodePool(1) as pool:
        root = store.roots.add(os.fsencode(folder))
        for path in sorted(folder.iterdir()):
            stat = FileStat(path.stat().st_size, 1, 1, 1)
            digest = blake3(path.read_bytes()).digest()
            content, _ = store.photos.save(root.id, b"", os.fsencode(path.name), stat, digest, 1)
            decoded = pool.submit(os.fsencode(path)).result()
            store.contents.save_facts(content, decoded.facts, decoded.pixel_hash, decoded.signature)
            store.results.refresh_words(content)
    return folder


def app(graphics: Graphics = Graphics.BLOCKS, *, multi: bool = True) -> PickerApp:
    where = places()
    return PickerApp(
        lambda: IndexBackend(load(where.config), where),
        multi=multi,
        history=QueryHistory(os.path.join(where.state, "questions")),
        memory=LayoutMemory(os.path.join(where.state, "picker-layout")),
        terminal=TerminalSession(-1, Capabilities(graphics)),
    )


async def settled(pilot: Pilot[object]) -> DuplicatesScreen:
    """Wait for the page, its groups and their pictures."""
    here = pilot.app
    assert isinstance(here, PickerApp)
    quiet = 0
    for _ in range(2000):
        busy = here.search.is_searching or here.images.is_loading
        page = here.duplicates
        quiet = 0 if busy or page is None or page.is_loading else quiet + 1
        if quiet > 20 and page is not None:  # a busy machine requests the pictures late
            return page
        await pilot.pause(0.02)
    raise AssertionError("it does not settle")


def names(page: DuplicatesScreen) -> list[str]:
    return [os.path.basename(hit.path).decode() for hit in page.hit_list.hits]


async def test_groups_are_shown_one_by_one_and_marks_are_chosen(copies: Path) -> None:
    picker = app()
    async with picker.run_test(size=(100, 24)) as pilot:
        await pilot.press("f4")
        page = await settled(pilot)
        beach = ["beach.png", "beach-small.png", "beach-tiny.png"]
        assert names(page) == beach
        await pilot.press("left", "up")
        assert names(page) == beach
        await pilot.press("a", "n")
        assert names(page) == ["forest-copy.png", "forest.png"]
        await pilot.press("down", "l", "space", "p", "h", "tab", "left", "tab")
        assert names(page) == beach
        await pilot.press("a", "a", "enter")
    assert picker.return_value is not None
    chosen = [os.path.basename(hit.path).decode() for hit in picker.return_value.hits]
    assert sorted(chosen) == ["beach-small.png", "beach-tiny.png", "forest.png"]
    assert picker.return_value.code == 0
    assert sorted(path.name for path in copies.iterdir()) == sorted(
        [*beach, "forest-copy.png", "forest.png", "street.png"]
    )


async def test_one_photo_without_multi_and_back_to_the_search(copies: Path) -> None:
    picker = app(multi=False)
    async with picker.run_test(size=(100, 24)) as pilot:
        await pilot.press("f4")
        page = await settled(pilot)
        await pilot.press("tab", "a")
        assert page.hit_list.marked == []
        assert page.hit_list.is_grid
        await pilot.press("down")
        assert names(page)[0] == "forest-copy.png"
        await pilot.press("ctrl+o", "left", "down")
        assert not page.hit_list.is_grid
        assert os.path.basename(page.hit_list.current.path) == b"beach-small.png"
        await pilot.press("escape")
        assert picker.screen is picker.search
        await pilot.press("f4")
        page = await settled(pilot)
        await pilot.press("right", "enter")
    assert picker.return_value is not None
    assert [os.path.basename(hit.path) for hit in picker.return_value.hits] == [b"beach-small.png"]


async def test_an_empty_index_has_no_groups(copies: Path) -> None:
    for name in ("", "-wal", "-shm"):
        (copies.parent / f"index.db{name}").unlink(missing_ok=True)
    picker = app()
    async with picker.run_test(size=(100, 24)) as pilot:
        await pilot.press("f4")
        page = await settled(pilot)
        await pilot.press("n", "p", "a", "tab", "down", "enter")
        assert picker.screen is page
        assert names(page) == []
        await pilot.press("q")
        assert picker.screen is picker.search


async def test_results_that_arrive_behind_the_page_keep_its_thumbnails(copies: Path) -> None:
    picker = app()
    async with picker.run_test(size=(80, 18)) as pilot:
        picker.search.set_query_text("forest")
        await pilot.press("f4")
        page = await settled(pilot)
        for hit in page.hit_list.hits:
            picker.images.discard(hit.path)
        page.hit_list.reload_thumbnails()
        picker.search.hit_list.reload_thumbnails()  # as after new results
        await settled(pilot)
        lines = [page.hit_list.render_line(y).text for y in range(page.hit_list.size.height)]
        assert not [line for line in lines if "·" in line[:12]]
        await pilot.press("escape")
        await settled(pilot)
        lines = [line.text for line in picker.screen._compositor.render_strips()]
        assert any("▀" in line for line in lines)


def test_the_page(copies: Path, snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgret_tui.screens.duplicates_screen.HOME", os.fsencode(copies.parent))

    async def before(pilot: Pilot[object]) -> None:
        await pilot.press("f4")
        await settled(pilot)
        await pilot.press("a", "right")
        await settled(pilot)

    assert snap_compare(app(), terminal_size=(80, 18), run_before=before)
