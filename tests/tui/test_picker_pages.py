"""The full-screen photo, facets, and the layout that is remembered."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgret.errors import Exit
from imgret_tui.photo_actions import Outcome
from imgret_tui.screens.narrow_dialog import NarrowDialog
from imgret_tui.screens.photo_screen import PhotoScreen

Run = Callable[..., Any]


async def test_the_full_screen_photo_zooms_moves_and_marks(run: Run) -> None:
    async with run() as here:
        await here.press("ctrl+o", "ctrl+o")
        page = here.app.screen
        assert isinstance(page, PhotoScreen)
        await here.press("n", "right")
        assert here.app.search.hit_list.cursor == 2
        await here.press("+", "+", "right")
        assert here.app.search.hit_list.cursor == 2
        assert page.preview._part == (0.5, 0.375, 0.75, 0.625)
        await here.press("0", "left", "tab")
        assert page.preview._part is None
        assert [hit.path for hit in here.app.search.hit_list.marked] == [
            here.app.search.hit_list.hits[1].path
        ]
        await here.press("escape")
        assert here.app.screen is here.app.search


async def test_a_facet_becomes_a_filter(run: Run) -> None:
    async with run() as here:
        await here.press("f5")
        await here.until(lambda: isinstance(here.app.screen, NarrowDialog))
        facet = here.app.screen._facets[0]
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.searched_text == facet.filter)
        await here.settled()
        assert len(here.names) == facet.count


async def test_ctrl_c_at_once_after_enter_chooses_no_photo(run: Run) -> None:
    async with run() as here:
        await here.press("f5")
        await here.until(lambda: isinstance(here.app.screen, NarrowDialog))
        here.press_without_waiting("enter", "ctrl+c")
        await here.until(lambda: here.app.return_value is not None)
        assert here.app.return_value == Outcome(Exit.INTERRUPTED)


async def test_the_layout_is_remembered(run: Run) -> None:
    async with run() as here:
        await here.press("ctrl+o", "alt+p")
    async with run() as here:
        assert here.app.search.hit_list.is_grid
        assert here.app.search.has_class("-bare")
    state = Path(os.environ["XDG_STATE_HOME"]) / "imgret" / "picker-layout"
    assert state.stat().st_mode & 0o777 == 0o600
