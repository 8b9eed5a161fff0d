"""Queries, their results, and the query input."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from imgret.cli.index_command import scan_folders
from imgret.cli.session import session
from imgret.store.factory import open_store
from imgret.terminal.clean import clean
from imgret_tui.picker_messages import ImageLoaded, ResultsReady
from imgret_tui.search_backend import SearchResults
from imgret_tui.widgets.query_input import marked

Run = Callable[..., Any]


async def test_typing_finds_what_the_photos_show(run: Run) -> None:
    async with run() as here:
        assert len(here.names) == 24  # an empty query lists them all, newest first
        await here.type("a red circle")
        first = here.app.search.hit_list.hits[0]
        assert "red circle" in (first.caption or "")
        assert first.objects.get("circle")
        assert "red" in here.text("#details")
        assert "24 photos" in here.text("#status")


async def test_hits_by_words_come_before_those_by_meaning(run: Run) -> None:
    async with run(meaning=True) as here:
        await here.pilot.press(*"triangle")
        await here.until(lambda: "triangle" in (here.app.search.hit_list.hits[0].caption or ""))
        await here.settled()
        assert all("triangle" in (hit.caption or "") for hit in here.app.search.hit_list.hits[:3])


async def test_filters_and_their_errors(run: Run) -> None:
    async with run() as here:
        await here.type("circle>=2")
        assert here.names
        assert all(hit.objects["circle"] >= 2 for hit in here.app.search.hit_list.hits)
        shown = here.names
        await here.type(" after:nonsense")
        assert not here.app.search.query_error.display  # the word is perhaps not finished
        await here.type(" ")
        problem = here.text("#query-error")
        assert here.app.search.query_error.display
        assert "nonsense" in problem
        assert here.app.search.query_input.value[problem.index("▲") :] == "nonsense "
        assert here.names == shown  # the last results stay
        await here.clear()
        await here.type("circle")
        assert not here.app.search.query_error.display


@given(st.text(max_size=20), st.integers(-5, 90), st.integers(1, 100))
def test_the_mark_is_below_what_is_wrong(text: str, at: int, width: int) -> None:
    line = marked(clean(text).replace("▲", ""), at, width)
    assert cell_len(line[: line.index("▲")]) == max(0, at)
    assert clean(text).replace("▲", "") in line


async def test_the_mark_counts_cells_and_what_is_scrolled_away(run: Run) -> None:
    async with run(size=(60, 24)) as here:
        await here.type("京都の 寺 after:nonsense ")
        problem = here.text("#query-error")
        assert cell_len(problem[: problem.index("▲")]) == cell_len("京都の 寺 after:")
        await here.clear()
        await here.type("京都 " * 20 + "after:nonsense ")
        problem = here.text("#query-error")
        shown = here.app.search.query_input.scroll_offset.x
        assert shown > 0
        assert cell_len(problem[: problem.index("▲")]) == cell_len("京都 " * 20 + "after:") - shown
        assert "nonsense" in problem[: problem.index("▲")]


async def test_a_photo_that_moves_to_the_first_page_takes_the_list_back_to_its_beginning(run: Run) -> None:
    async with run(size=(80, 24)) as here:
        view = here.app.search.hit_list
        await here.press(*["down"] * 12)
        await here.until(lambda: view.scroll_offset.y > 0)
        first, *others = (hit for hit in view.hits if hit is not view.current)
        view.show((first, view.current, *others), "", keep_cursor=True)
        await here.until(lambda: view.cursor == 1)
        await here.until(lambda: view.scroll_offset.y == 0)


async def test_a_larger_terminal_shows_the_list_from_its_beginning_if_the_cursor_stays_visible(
    run: Run,
) -> None:
    async with run(size=(100, 12)) as here:
        view = here.app.search.hit_list
        await here.press(*["down"] * 4)
        await here.until(lambda: view.scroll_offset.y > 0)
        await here.pilot.resize_terminal(100, 50)
        await here.until(lambda: view.size.height > 40 and view.scroll_offset.y == 0)
        assert view.cursor == 4


async def test_a_wrong_filter_replaces_the_reason_of_another_query(run: Run) -> None:
    async with run() as here:
        await here.type("in:nowhere")
        assert "nowhere" in here.text("#empty")
        await here.clear()
        await here.until(lambda: here.names)
        await here.type("in:nowhere ")
        await here.type("after:nonsense ")
        assert "nowhere" not in here.text("#empty")
        assert here.text("#empty").startswith("after:nonsense is no date.")


async def test_an_error_is_replaced_by_that_of_the_query_as_it_is_now(run: Run) -> None:
    async with run() as here:
        await here.type("rating>=9 ")
        await here.press("backspace", "backspace")
        await here.until(lambda: "rating>= wants a value" in here.text("#query-error"))
        await here.press("4")
        await here.until(lambda: not here.app.search.query_error.display)


async def test_results_of_an_older_query_are_dropped(run: Run) -> None:
    async with run() as here:
        search = here.app.search
        await here.type("red")
        await here.pilot.press(*["backspace"] * 3, *"blue")
        await here.until(lambda: search.searched_text == "blue")
        await here.settled()
        shown = here.names
        search.show_results(ResultsReady(1, SearchResults(()), final=True))
        assert here.names == shown


def edited(line: str, at: int, key: str) -> tuple[str, int]:
    """What one key makes of a line with its cursor."""
    if len(key) == 1:
        return line[:at] + key + line[at:], at + 1
    if key == "backspace":
        return line[: max(0, at - 1)] + line[at:], max(0, at - 1)
    if key == "delete":
        return line[:at] + line[at + 1 :], at
    return line, {"left": max(0, at - 1), "right": min(len(line), at + 1), "home": 0, "end": len(line)}[key]


@pytest.mark.parametrize(
    ("keys", "query"),
    [
        ([*"cat", "backspace", "backspace", *"ow"], "cow"),
        ([*"dog", "home", "x", "end", "y"], "xdogy"),
        ([*"dog", "left", "left", "x", "right", "y"], "dxoyg"),
        ([*"redcat", "ctrl+left", "delete", "ctrl+right", "s"], "edcats"),
        ([*"one", "ctrl+u", *"two"], "two"),
        ([*"two", "ctrl+a", "alt+d", *"one", "ctrl+e", "s"], "ones"),
        (["a", "down", "b", "alt+p", "alt+p", "c", "tab", "d"], "abcd"),
        (["backspace", "up", "a"], "a"),
    ],
)
async def test_fast_keys_stay_in_order(run: Run, keys: list[str], query: str) -> None:
    async with run() as here:
        here.press_without_waiting(*keys)
        await here.until(lambda: here.app.search.searched_text == query)
        await here.settled()
        assert here.app.search.query_input.value == query


async def test_fast_keys_have_the_effect_of_slow_ones(run: Run) -> None:
    chosen = random.Random(5)
    keys = [*"abcd", "left", "right", "home", "end", "backspace", "delete"]
    async with run() as here:
        line, at = "", 0
        for _ in range(10):
            burst = chosen.choices(keys, k=25)
            for key in burst:
                line, at = edited(line, at, key)
            here.press_without_waiting(*burst)
            query = here.app.search.query_input
            await here.until(lambda: (query.value, query.cursor_position) == (line, at))  # noqa: B023


async def test_the_up_key_recalls_the_previous_query(run: Run) -> None:
    async with run("red circle") as here:
        await here.pilot.press("enter")
        await here.pilot.pause()
    async with run("two squares") as here:
        await here.pilot.press("enter")
        await here.pilot.pause()
    async with run() as here:
        await here.press("up")
        assert here.app.search.query_input.value == "two squares"
        await here.press("up")
        assert here.app.search.query_input.value == "red circle"
        await here.settled()
        await here.press("down")
        assert here.app.search.hit_list.cursor == 1
    state = Path(os.environ["XDG_STATE_HOME"]) / "imgret" / "questions"
    assert state.stat().st_mode & 0o777 == 0o600


async def test_more_like_this(run: Run) -> None:
    async with run("a red circle") as here:
        of = here.app.search.hit_list.hits[0]
        await here.press("ctrl+s")
        await here.settled()
        alike = here.app.search.hit_list.hits
        assert of.path not in [hit.path for hit in alike]
        assert len(alike) > 10
        cosines = [hit.cosine for hit in alike if hit.cosine is not None]
        assert len(cosines) > 10
        assert cosines == sorted(cosines, reverse=True)
        # Pictures that look the same come first; they are not compared by their vectors.
        assert all(hit.cosine is None for hit in alike[: len(alike) - len(cosines)])
        assert "like IMG_" in here.text("#status")
        await here.type("s")  # a new query is a query again
        assert "like IMG_" not in here.text("#status")


async def test_results_that_arrive_while_the_picker_ends_are_dropped(run: Run) -> None:
    async with run() as here:
        await here.type("blue")
        app, hits = here.app, tuple(here.app.search.hit_list.hits)
        query = app.search._tracker.start("blue", None, 20)  # whose results are still to come
    assert not app.search.is_attached
    app.on_results_ready(ResultsReady(query.number, SearchResults(hits), final=True))
    app.on_image_loaded(ImageLoaded(hits[0].path))


async def test_an_empty_index_shows_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, demo: Any
) -> None:
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "empty.db"))
    open_store(str(tmp_path / "empty.db")).close()
    async with run() as here:
        assert here.app.search.has_class("-empty")
        assert "imgret index" in here.text("#empty")
        await here.press("down", "alt+n", "ctrl+y", "ctrl+s", "tab", "ctrl+o", "alt+enter")
        # and the first photos come by themselves, from whatever program they are found
        with session().index() as store:
            scan_folders(session(), store, [os.fsencode(demo.pictures)])
        await here.until(lambda: len(here.names) == 24)
        assert not here.app.search.has_class("-empty")


async def test_a_missing_index_is_reported_with_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "none.db"))
    async with run() as here:
        assert "no index" in here.text("#empty").lower()
        assert "imgret index" in here.text("#empty")
    assert not (tmp_path / "none.db").exists()


async def test_the_query_always_has_the_focus(run: Run) -> None:
    async with run() as here:
        for key in ("tab", "shift+tab", "down", "ctrl+o", "f1", "escape"):
            await here.press(key)
        await here.pilot.click("#hits", offset=(3, 3))
        await here.pilot.click("#details")
        assert here.app.focused is here.app.search.query_input


async def test_the_cursor_at_the_last_hit_loads_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgret_tui.screens.query_screen.FIRST_LIMIT", 5)  # as if the library were large
    async with run(size=(60, 7)) as here:
        assert len(here.names) == 12  # two screens of one line each
        await here.press("ctrl+end")
        last = here.app.search.hit_list.current
        await here.settled()
        assert len(here.names) == 24
        assert here.app.search.hit_list.current == last


async def test_an_empty_result_gives_its_reason_in_place_of_the_hits(run: Run) -> None:
    async with run("is:offline") as here:
        text = here.text("#empty")
        assert "No photo is offline." in text
        assert "f3 shows the folders" in text
        assert "ctrl+u empties the query" in text
        await here.press("ctrl+u")
        await here.settled()
        assert here.names
        assert not here.app.search.has_class("-empty")


async def test_the_total_counts_photos_that_are_not_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgret_tui.screens.query_screen.FIRST_LIMIT", 5)
    async with run(size=(60, 7)) as here:
        assert f"{len(here.names)} of about 24 hits" in here.text("#status")
