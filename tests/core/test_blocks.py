"""Half blocks, fitting, and showing an image between lines of text."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.terminal import blocks, kitty
from imgret.terminal.fit import HALF_BLOCK, Cell, fit, scaled
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.show import show

COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
SGR = re.compile(r"\x1b\[([\d;]*)m")


def test_a_cell_has_the_colours_of_its_upper_and_lower_pixel() -> None:
    assert blocks.cell_colours(COLOURS) == [[(0xFF0000, 0x0000FF), (0x00FF00, 0xFFFF00)]]


def test_an_odd_last_line_is_repeated() -> None:
    assert blocks.cell_colours(COLOURS[:1]) == [[(0xFF0000, 0xFF0000), (0x00FF00, 0x00FF00)]]


def test_each_line_of_text_ends_with_a_reset() -> None:
    text = blocks.encode(np.repeat(COLOURS, 3, axis=1))
    assert text.endswith("\x1b[0m\n")
    assert SGR.sub("", text) == blocks.UPPER_HALF * 6 + "\n"
    assert len(SGR.findall(text)) == 5  # the colour of a run is written once


sizes = st.integers(1, 20_000)


@given(sizes, sizes, st.integers(-3, 300), st.integers(-3, 90), st.integers(1, 30), st.integers(1, 60))
def test_a_fitted_image_stays_in_its_box(
    width: int, height: int, columns: int, rows: int, cell_width: int, cell_height: int
) -> None:
    place = fit(width, height, columns, rows, Cell(cell_width, cell_height))
    assert 1 <= place.columns <= max(1, columns)
    assert 1 <= place.rows <= max(1, rows)
    assert 1 <= place.width <= place.columns * cell_width
    assert 1 <= place.height <= place.rows * cell_height
    assert (
        place.columns == max(1, columns)
        or place.rows == max(1, rows)
        or (columns < 2 or rows < 2)
        or (place.width >= (columns - 1) * cell_width or place.height >= (rows - 1) * cell_height)
    )  # as large as the box allows


@given(st.integers(200, 4000), st.integers(200, 4000))
def test_a_fitted_image_keeps_its_aspect_ratio(width: int, height: int) -> None:
    place = fit(width, height, 60, 30, Cell(10, 20))
    assert abs(place.width / place.height - width / height) / (width / height) < 0.06


def test_scaling_returns_the_requested_size() -> None:
    assert scaled(COLOURS, 9, 7).shape == (7, 9, 3)
    assert scaled(COLOURS, 2, 2) is COLOURS


@pytest.mark.parametrize("graphics", [Graphics.KITTY, Graphics.SIXEL, Graphics.BLOCKS, Graphics.NONE])
def test_an_image_between_text_uses_the_given_rows(graphics: Graphics) -> None:
    picture = np.repeat(np.repeat(COLOURS, 50, axis=0), 50, axis=1)
    text = show(picture, 20, 6, graphics).decode()
    if graphics is Graphics.KITTY:
        assert text.count("\n") == 6
        assert text.count(kitty.PLACEHOLDER) == 6 * 12  # 96 pixels high and wide, cells of 8 x 16
    elif graphics is Graphics.SIXEL:
        assert text.startswith("\n" * 6 + "\x1b[6A")
        assert text.endswith("\x1b8\x1b[6B")
    elif graphics is Graphics.BLOCKS:
        assert SGR.sub("", text) == (blocks.UPPER_HALF * 12 + "\n") * 6
        assert fit(100, 100, 20, 6, HALF_BLOCK).columns == 12
    else:
        assert text == ""


def test_in_tmux_an_image_is_wrapped_and_its_placeholders_are_not() -> None:
    text = show(COLOURS, 4, 2, Capabilities(Graphics.KITTY, tmux=True)).decode()
    assert text.startswith("\x1bPtmux;\x1b\x1b_G")
    assert kitty.PLACEHOLDER not in text[: text.rindex("\x1b\\")]
