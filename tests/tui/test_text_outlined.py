"""Lines around the text in the preview that matches the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment

from imgret import stage_results
from imgret.photo import ModelIdentity, TextLine
from imgret.stages.interface import Result
from imgret.store.factory import open_store
from imgret.terminal.outline import COLOUR, outlined
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.cell_image import ImageRequest, render_image

Run = Callable[..., Any]
BOX = (0.25, 0.25, 0.75, 0.25, 0.75, 0.75, 0.25, 0.75)


def drawn(lines: list[list[Segment]]) -> bool:
    """Whether a cell of the screen has the colour of an outline."""
    styles = [segment.style for line in lines for segment in line if segment.style]
    colours = [colour for style in styles for colour in (style.color, style.bgcolor)]
    return any(colour is not None and colour.triplet == COLOUR for colour in colours)


@pytest.mark.parametrize("size", [(60, 40), (1200, 800)])
def test_a_line_stands_around_the_box_and_nothing_else_changes(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels.setflags(write=False)
    found = outlined(pixels, [BOX])
    assert (pixels == 90).all()
    for row, column in ((height // 4, width // 2), (height // 2, 3 * width // 4)):
        near = found[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3).tolist()
        assert list(COLOUR) in near
    assert (found[height // 2, width // 2] == 90).all()
    assert (found[: height // 8] == 90).all()
    assert outlined(pixels, ()) is pixels


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.tuples(*[st.floats(allow_nan=False)] * 8), max_size=3),
)
def test_no_box_and_no_size_is_refused(width: int, height: int, boxes: list[Any]) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    assert outlined(pixels, boxes).shape == pixels.shape


@pytest.mark.parametrize("graphics", [Graphics.BLOCKS, Graphics.KITTY, Graphics.SIXEL])
def test_every_kind_of_terminal_gets_the_line(graphics: Graphics) -> None:
    pixels = np.full((300, 400, 3), 90, np.uint8)
    plain, marked = (
        render_image(
            ImageRequest(b"/a.jpg", 40, 20, is_preview=True, outlines=outlines),
            pixels,
            7,
            Capabilities(graphics),
            grey=False,
        )
        for outlines in ((), (BOX,))
    )
    assert (plain[1].colours, plain[1].overlay, plain[2]) != (
        marked[1].colours,
        marked[1].overlay,
        marked[2],
    )
    assert (plain[1].columns, plain[1].rows) == (marked[1].columns, marked[1].rows)


async def test_the_preview_outlines_the_line_that_why_shows(run: Run, demo: Any) -> None:
    with open_store(demo.index) as store:
        content = store.filters.matching(()).tolist()[0]
        line = TextLine("RE16 TGK", 0.99, BOX)
        stage_results.save(store, content, "ocr", ModelIdentity("test", "1"), Result((line,)))
    async with run("text:16tg", graphics=Graphics.BLOCKS) as here:
        assert len(here.names) == 1
        await here.until(lambda: drawn(here.screen_lines))
        assert "text: RE16 TGK" in here.text("#details")
        await here.clear()
        await here.type("has:text")
        assert len(here.names) == 1
        await here.until(lambda: not drawn(here.screen_lines))
