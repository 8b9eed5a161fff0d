"""Sixels in a terminal that keeps 16 of them, as xterm does: the preview, and one page of all thumbnails."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Offset

from imgret.terminal.fit import Cell
from imgret_tui.widgets.paged_hits import page_text
from testbed.fake_terminal import FakeTerminal

DOWN, UP, GRID, HELP = "\x1b[B", "\x1b[A", "\x0f", "\x1bOP"
ROWS, SLOTS, CELL_HEIGHT = 30, 16, 17
LIST_END = 20  # columns: what begins before it is a page
EVENT = re.compile(
    rb"\x1b\[1;2r(?P<scroll>(?:\x1b\[S)+)\x1b\[r"
    rb"|\x1b\[(?P<row>\d+);(?P<column>\d+)H\x1bP0;1;0q\"1;1;(?P<width>\d+);(?P<height>\d+)"
)


class Sixel(NamedTuple):
    row: int
    column: int
    height: int  # pixels
    number: int

    @property
    def is_page(self) -> bool:
        return self.column < LIST_END


def kept(output: bytes) -> tuple[list[Sixel], list[Sixel]]:
    """What xterm keeps of the sixels in a program's output, and all of them: the topmost, the first of equals, is replaced."""
    slots: list[Sixel] = []
    every: list[Sixel] = []
    for match in EVENT.finditer(output):
        if match["scroll"]:
            rows = match["scroll"].count(b"S")
            slots = [each._replace(row=each.row - rows) for each in slots]
            continue
        new = Sixel(int(match["row"]), int(match["column"]), int(match["height"]), len(every))
        every.append(new)
        if len(slots) < SLOTS:
            slots.append(new)
        else:
            slots[min(range(SLOTS), key=lambda n: slots[n].row)] = new
    return slots, every


@pytest.fixture
def terminal(demo: Any, tmp_path: Path) -> Callable[..., FakeTerminal]:
    config = tmp_path / "words.toml"
    config.write_text(
        "".join(f'[{stage}]\nweights = "none"\n' for stage in ("place", "ocr", "image", "caption", "embed"))
    )

    def start(*arguments: str) -> FakeTerminal:
        environ = {**os.environ, "IMGRET_CONFIG": str(config)}
        return FakeTerminal(
            [sys.executable, "-m", "imgret_tui", *arguments], kind="sixel", rows=ROWS, environ=environ
        )

    return start


def pages(terminal: FakeTerminal, since: int = 0) -> list[Sixel]:
    return [each for each in kept(terminal.output[since:])[1] if each.is_page]


def previews(terminal: FakeTerminal, since: int = 0) -> list[Sixel]:
    return [each for each in kept(terminal.output[since:])[1] if not each.is_page]


def test_no_sixel_reaches_the_last_row_or_is_drawn_over_a_dialog(
    terminal: Callable[..., FakeTerminal],
) -> None:
    with terminal("red") as running:
        running.wait(lambda: pages(running) and previews(running))
        running.until_quiet(1.5)
        for each in kept(running.output)[1]:
            assert each.row - 1 + -(-each.height // CELL_HEIGHT) < ROWS
        assert all(each.height % 6 == 0 for each in previews(running))
        here = len(running.output)
        running.type(HELP)
        running.until("Choose", since=here)
        running.until_quiet(1.0)
        assert running.sixels(here) == []
        here = len(running.output)
        running.type("\x1b")
        running.wait(lambda: pages(running, here) and previews(running, here))
        running.type("\x03")
        assert running.ended() == 130


def test_the_page_and_the_preview_are_always_among_those_that_the_terminal_keeps(
    terminal: Callable[..., FakeTerminal],
) -> None:
    with terminal() as running:
        running.wait(lambda: pages(running) and previews(running))
        running.until_quiet(1.5)
        first = len(pages(running))
        for number in range(24):
            before = len(previews(running))
            running.type(UP if number % 2 else DOWN)
            running.wait(lambda before=before: len(previews(running)) > before)
            running.until_quiet(0.2)
            slots, every = kept(running.output)
            assert max(each.number for each in every if each.is_page) in {each.number for each in slots}
            assert max(each.number for each in every if not each.is_page) in {each.number for each in slots}
        again = len(pages(running)) - first
        assert 1 <= again < 24  # not at each move
        here = len(running.output)
        running.type(GRID)
        running.wait(lambda: pages(running, here))
        running.until_quiet(1.0)
        here = len(running.output)
        running.type(DOWN)
        running.until_quiet(0.5)
        assert running.sixels(here) == []  # a move in the grid draws only the frame
        running.type("\x03")
        assert running.ended() == 130


def test_the_full_screen_photo_comes_back_after_a_dialog_and_below_a_message(
    terminal: Callable[..., FakeTerminal],
) -> None:
    with terminal("--preview-only", "red") as running:
        running.until("1 of")
        running.wait(running.sixels)
        running.until_quiet(1.0)
        running.type("r")
        running.until("Rating of")
        running.until_quiet(0.5)
        here = len(running.output)
        running.type("3")
        running.until("rating: ★★★", since=here)
        running.wait(lambda: running.sixels(here))
        running.type("\x03")
        assert running.ended() == 130


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=6, unique=True),
    st.integers(1, 9),
    st.integers(1, 18),
)
def test_a_page_begins_at_its_first_cell_and_has_its_size(
    cells: list[tuple[int, int]], width: int, height: int
) -> None:
    cell = Cell(width, height)
    tile = np.full((height, width, 3), 90, np.uint8)
    text = page_text([(Offset(x, y), tile) for x, y in cells], cell)
    left, top = min(x for x, _ in cells), min(y for _, y in cells)
    columns, rows = max(x for x, _ in cells) - left + 1, max(y for _, y in cells) - top + 1
    assert text.startswith(
        f'\x1b7\x1b[{top + 1};{left + 1}H\x1bP0;1;0q"1;1;{columns * width};{rows * height}#'
    )
    assert text.endswith("\x1b\\\x1b8")
