"""Themes, terminal sizes, and images of files that change."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from rich.segment import Segment
from textual.geometry import Region

from imgret.terminal.probe import Graphics
from imgret_tui import themes

Run = Callable[..., Any]


async def test_the_theme_goes_from_dark_to_light_and_back(run: Run) -> None:
    async with run() as here:
        dark = here.app.search.styles.background
        await here.press("ctrl+t")
        assert here.app.theme == themes.LIGHT.name
        assert here.app.search.styles.background != dark
        await here.press("ctrl+t")
        assert here.app.theme == themes.DARK.name


async def test_without_colour_everything_is_grey(run: Run) -> None:
    async with run("red", colourless=True, graphics=Graphics.BLOCKS) as here:
        await here.until(lambda: len(here.app.images) > 3)
        for theme in (themes.GREY_DARK, themes.GREY_LIGHT):
            assert here.app.theme == theme.name
            assert_grey(here.screen_lines)
            await here.press("ctrl+t")
            await here.pilot.pause()


def assert_grey(lines: list[list[Segment]]) -> None:
    for line in lines:
        for segment in line:
            for colour in (
                segment.style and segment.style.color,
                segment.style and segment.style.bgcolor,
            ):
                if colour and colour.triplet:
                    assert len(set(colour.triplet)) == 1, (segment.text, colour)


@pytest.mark.parametrize("is_light", [False, True])
async def test_the_theme_is_that_of_the_terminal_until_the_user_chooses_one(run: Run, is_light: bool) -> None:
    own, other = (themes.LIGHT, themes.DARK) if is_light else (themes.DARK, themes.LIGHT)
    async with run(is_light=is_light) as here:
        assert here.app.theme == own.name
        await here.press("ctrl+o", "ctrl+t", "alt+p")
    for terminal in (False, True):
        async with run(is_light=terminal) as here:
            assert here.app.theme == other.name
            assert here.app.search.hit_list.is_grid
    async with run(is_light=is_light) as here:
        await here.press("ctrl+t")
    for terminal in (False, True):
        async with run(is_light=terminal) as here:
            assert here.app.theme == (themes.LIGHT if terminal else themes.DARK).name


async def test_the_preview_can_be_hidden(run: Run) -> None:
    async with run(graphics=Graphics.BLOCKS) as here:
        await here.press("alt+p")
        assert not here.app.search.photo_pane.preview.region
        await here.press("alt+p")
        assert here.app.search.photo_pane.preview.region.area > 100


@pytest.mark.parametrize(
    ("size", "graphics"),
    [
        ((1, 1), Graphics.KITTY),
        ((2, 1), Graphics.SIXEL),
        ((1, 3), Graphics.BLOCKS),
        ((20, 6), Graphics.KITTY),
        ((40, 10), Graphics.SIXEL),
        ((300, 90), Graphics.BLOCKS),
    ],
)
async def test_any_terminal_size_works(run: Run, size: tuple[int, int], graphics: Graphics) -> None:
    async with run("red circle", size=size, graphics=graphics) as here:
        await here.press(
            "down", "ctrl+o", "down", "tab", "f1", "escape", "alt+n", "escape", "ctrl+o", "ctrl+o"
        )
        await here.pilot.resize_terminal(30, 8)
        await here.press("up")
        await here.pilot.resize_terminal(*size)
        await here.pilot.pause()
        assert here.app.search.hit_list.current is not None


async def test_many_resizes(run: Run) -> None:
    async with run("red", graphics=Graphics.BLOCKS) as here:
        for step in range(30):
            await here.pilot.resize_terminal(20 + step * 5, 6 + step)
        await here.pilot.resize_terminal(100, 30)
        await here.pilot.pause()
        assert here.app.search.hit_list.size.width > 20
        assert here.app.search.photo_pane.preview.region.area > 100


async def test_a_missing_or_damaged_photo_is_reported_in_the_preview(run: Run, demo: Any) -> None:
    moved = demo.pictures / "IMG_0001.jpg"
    aside = moved.read_bytes()
    try:
        moved.unlink()
        (demo.pictures / "IMG_0002.jpg").rename(demo.pictures / "kept")
        (demo.pictures / "IMG_0002.jpg").write_bytes(b"no picture at all")
        async with run(graphics=Graphics.BLOCKS) as here:
            for name in (b"IMG_0001.jpg", b"IMG_0002.jpg"):
                place = next(
                    n for n, hit in enumerate(here.app.search.hit_list.hits) if hit.path.endswith(name)
                )
                here.app.search.hit_list.cursor = place
                await here.until(lambda: "cannot be shown" in _preview_text(here))
    finally:
        moved.write_bytes(aside)
        (demo.pictures / "kept").rename(demo.pictures / "IMG_0002.jpg")


async def test_a_photo_that_is_edited_while_it_is_on_the_screen_is_reloaded(run: Run, demo: Any) -> None:
    edited = demo.pictures / "IMG_0003.jpg"
    before = edited.read_bytes()
    magenta = (230, 20, 200)
    try:
        async with run(graphics=Graphics.BLOCKS) as here:
            results = here.app.search.hit_list
            results.cursor = next(n for n, hit in enumerate(results.hits) if hit.path == os.fsencode(edited))
            await here.settled()
            preview, thumbnail = (
                here.app.search.photo_pane.preview.region,
                results.hit_layout.region(results.cursor),
            )
            assert not _is_all(here, preview, magenta)
            Image.new("RGB", (640, 480), magenta).save(edited, quality=95)
            await here.until(lambda: _is_all(here, preview, magenta))
            left = results.region.offset + thumbnail.offset - results.scroll_offset
            first = Region(left.x + 4, left.y, 3, 2)
            await here.until(lambda: _is_all(here, first, magenta))
            edited.unlink()
            await here.until(lambda: "cannot be shown" in _preview_text(here))
            edited.write_bytes(before)
            await here.until(lambda: "cannot be shown" not in _preview_text(here))
    finally:
        edited.write_bytes(before)


def _is_all(here: Any, region: Region, colour: tuple[int, int, int]) -> bool:
    """Whether all half blocks that are painted in this part of the screen have about one colour."""
    seen = []
    for y in range(region.y, region.bottom):
        x = 0
        for segment in here.screen_lines[y]:
            for character in segment.text:
                if character == "▀" and region.x <= x < region.right:
                    seen += [segment.style.color.triplet, segment.style.bgcolor.triplet]
                x += 1
    return bool(seen) and all(abs(a - b) < 12 for pixel in seen for a, b in zip(pixel, colour, strict=True))


def _preview_text(here: Any) -> str:
    preview = here.app.search.photo_pane.preview
    return "".join(strip.text for strip in preview.render_lines(preview.size.region))
