"""Which keys the last line of a page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from imgret_tui.widgets.key_bar import KeyBar, fitting

Run = Callable[..., Any]
WORDS = st.text("abc +←京", min_size=1, max_size=12)


def width(keys: list[tuple[str, str]], gap: int) -> int:
    return cell_len((" " * gap).join(f"{key} {text}" for key, text in keys))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=9), st.integers(0, 150))
def test_the_first_keys_and_the_last_one_are_shown(keys: list[tuple[str, str]], room: int) -> None:
    kept, gap = fitting(keys, room)
    assert kept == [*keys[: len(kept) - 1], keys[-1]]
    assert len(kept) == 1 or width(kept, gap) <= room
    if len(kept) < len(keys):
        more = [*keys[: len(kept)], keys[-1]]
        assert width(more, gap) > room
        assert gap == 2
    if width(keys, 3) <= room:
        assert (kept, gap) == (keys, 3)


async def test_every_page_shows_how_to_leave_it(run: Run) -> None:
    async with run("red", size=(64, 24)) as here:
        for keys, last in (
            ((), "f1 all keys"),
            (("f4",), "esc back"),
            (("escape", "ctrl+o", "ctrl+o"), "esc back"),
        ):
            await here.press(*keys)
            bar = here.app.screen.query_one(KeyBar)
            await here.until(lambda: str(bar.content).endswith(last))  # noqa: B023
            assert cell_len(str(bar.content)) <= 62


async def test_keys_that_mark_are_shown_where_photos_can_be_marked(run: Run) -> None:
    for multi in (False, True):
        async with run("red", multi=multi) as here:
            for keys in (("ctrl+o", "ctrl+o"), ("escape", "f4")):
                await here.press(*keys)
                bar = here.app.screen.query_one(KeyBar)
                await here.until(lambda: "esc back" in str(bar.content))  # noqa: B023
                assert ("tab mark" in str(bar.content)) is multi
