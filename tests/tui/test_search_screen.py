"""Every key of the search, on a real index of drawn pictures that the tiny models described."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual import events
from textual.command import CommandPalette
from textual.geometry import Region

from imgret.cli.index_command import describe, look
from imgret.cli.session import session
from imgret.errors import Exit
from imgret.store.factory import open_store
from imgret.terminal.probe import Graphics
from imgret_tui import themes
from imgret_tui.keymap import KEYS
from imgret_tui.library import Found
from imgret_tui.messages import Answered
from imgret_tui.screens.sheets import FoldersScreen, HelpScreen, NoteScreen

Run = Callable[..., Any]


async def test_typing_finds_what_the_pictures_show(run: Run) -> None:
    async with run() as here:
        assert len(here.names) == 24  # an empty question lists them all, newest first
        await here.type("a red circle")
        first = here.app.search.results.hits[0]
        assert "red circle" in (first.caption or "")
        assert first.objects.get("circle")
        assert "red" in here.text("#details")
        assert "24 photos" in here.text("#status")


async def test_words_answer_before_meaning_does(run: Run) -> None:
    async with run(meaning=True) as here:
        await here.pilot.press(*"triangle")
        await here.until(lambda: "triangle" in (here.app.search.results.hits[0].caption or ""))
        await here.settled()
        assert all("triangle" in (hit.caption or "") for hit in here.app.search.results.hits[:3])


async def test_filters_and_their_errors(run: Run) -> None:
    async with run() as here:
        await here.type("circle>=2")
        assert here.names
        assert all(hit.objects["circle"] >= 2 for hit in here.app.search.results.hits)
        shown = here.names
        await here.type(" after:nonsense")
        problem = here.text("#problem")
        assert here.app.search.problem.display
        assert "nonsense" in problem
        assert here.app.search.question.value[problem.index("▲") :] == "nonsense"
        assert here.names == shown  # the last answer stays
        await here.clear()
        await here.type("circle")
        assert not here.app.search.problem.display


async def test_a_stale_answer_is_dropped(run: Run) -> None:
    async with run() as here:
        search = here.app.search
        await here.type("red")
        await here.pilot.press(*["backspace"] * 3, *"blue")
        await here.until(lambda: search.asked_text == "blue")
        await here.settled()
        shown = here.names
        search.show_answer(Answered(1, Found(()), final=True))
        assert here.names == shown


async def test_moving_in_the_list(run: Run) -> None:
    async with run(size=(120, 30)) as here:
        view = here.app.search.results
        for key, place in [("down", 1), ("ctrl+n", 2), ("up", 1), ("ctrl+p", 0), ("up", 0)]:
            await here.press(key)
            assert view.cursor == place
        await here.press("pagedown")
        page = view.cursor
        assert page > 3
        await here.press("pageup")
        assert view.cursor == 0
        await here.press("ctrl+end")
        assert view.cursor == 23
        assert view.scroll_offset.y + view.size.height >= 24 * 3
        await here.press("down")
        assert view.cursor == 23
        await here.press("ctrl+home")
        assert view.cursor == view.scroll_offset.y == 0


async def test_left_and_right_move_in_the_question_and_in_the_grid_among_the_photos(run: Run) -> None:
    async with run("red") as here:
        question = here.app.search.question
        await here.press("left", "left", "right")
        assert question.cursor_position == 2
        await here.press("ctrl+g", "right")
        assert here.app.search.results.cursor == 1
        assert question.cursor_position == 2
        await here.press("down")
        across = here.app.search.results.cursor - 1
        assert across > 1
        await here.press("up", "left")
        assert here.app.search.results.cursor == 0
        await here.press("ctrl+g")
        assert not here.app.search.results.grid


async def test_enter_gives_the_photo_under_the_cursor(run: Run) -> None:
    async with run("a blue square") as here:
        await here.press("down")
        chosen = here.app.search.results.hits[1]
        await here.pilot.press("enter")
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.OK
    assert [hit.path for hit in here.app.return_value.hits] == [chosen.path]


async def test_enter_without_hits_ends_as_fzf_does(run: Run) -> None:
    async with run("after:1971 before:1972") as here:
        assert here.names == []
        await here.pilot.press("enter")
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.NO_HITS
    assert here.app.return_value.hits == ()


@pytest.mark.parametrize("key", ["escape", "ctrl+c", "ctrl+q"])
async def test_leaving_without_choosing(run: Run, key: str) -> None:
    async with run() as here:
        await here.pilot.press(key)
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.INTERRUPTED


async def test_marks_stay_over_questions_and_come_in_their_order(run: Run) -> None:
    async with run("red") as here:
        first, second = here.app.search.results.hits[:2]
        await here.press("down", "shift+tab", "tab")
        assert here.app.search.results.cursor == 1
        assert "2 marked" in here.text("#status")
        await here.clear()
        await here.type("blue")
        third = here.app.search.results.hits[0]
        await here.press("tab")
        await here.pilot.press("enter")
        await here.pilot.pause()
    marked = [hit.path for hit in here.app.return_value.hits]
    assert marked[:2] == [second.path, first.path]
    assert third.path in marked


async def test_marking_all_and_none(run: Run) -> None:
    async with run() as here:
        await here.press("alt+a")
        assert len(here.app.search.results.marked) == 24
        await here.press("alt+a")
        assert here.app.search.results.marked == []
        await here.press("tab", "shift+tab", "shift+tab")
        assert len(here.app.search.results.marked) == 1


async def test_marking_all_marks_the_hits_that_are_not_loaded_yet_too(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgret_tui.screens.search.LIMIT", 5)  # as if the library were large
    async with run(size=(60, 7)) as here:
        assert len(here.names) == 12
        await here.press("alt+a")
        await here.until(lambda: len(here.app.search.results.marked) == 24)
        assert [str(notice.message) for notice in here.app._notifications] == ["24 photos are marked"]
        assert "24 marked" in here.text("#status")
        await here.press("alt+a")
        assert here.app.search.results.marked == []
        assert str(list(here.app._notifications)[-1].message) == "24 photos are no longer marked"


async def test_marking_all_stops_at_a_bound_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgret_tui.screens.search.LIMIT", 5)
    monkeypatch.setattr("imgret_tui.screens.search.MOST", 20)
    async with run(size=(60, 7)) as here:
        await here.press("alt+a")
        await here.until(lambda: len(here.app.search.results.marked) == 20)
        assert [str(notice.message) for notice in here.app._notifications] == [
            "the first 20 photos are marked"
        ]


def press_at_once(here: Any, *keys: str) -> None:
    """All keys in one packet: nobody waits for what a key does."""
    for key in keys:
        here.app.post_message(events.Key(key, key if len(key) == 1 else None))


@pytest.mark.parametrize(
    ("keys", "question"),
    [
        ([*"cat", "backspace", "backspace", *"ow"], "cow"),
        ([*"dog", "home", "x", "end", "y"], "xdogy"),
        ([*"dog", "left", "left", "x", "right", "y"], "dxoyg"),
        ([*"redcat", "ctrl+left", "delete", "ctrl+right", "s"], "edcats"),
        ([*"one", "ctrl+u", *"two"], "two"),
        ([*"two", "ctrl+a", "ctrl+k", *"one"], "one"),
        (["a", "down", "b", "ctrl+g", "ctrl+g", "c", "tab", "d"], "abcd"),
        (["backspace", "up", "a"], "a"),
    ],
)
async def test_keys_of_a_burst_stay_in_order(run: Run, keys: list[str], question: str) -> None:
    async with run() as here:
        press_at_once(here, *keys)
        await here.until(lambda: here.app.search.asked_text == question)
        await here.settled()
        assert here.app.search.question.value == question


def edited(line: str, at: int, key: str) -> tuple[str, int]:
    """What one key makes of a line with its cursor."""
    if len(key) == 1:
        return line[:at] + key + line[at:], at + 1
    if key == "backspace":
        return line[: max(0, at - 1)] + line[at:], max(0, at - 1)
    if key == "delete":
        return line[:at] + line[at + 1 :], at
    return line, {"left": max(0, at - 1), "right": min(len(line), at + 1), "home": 0, "end": len(line)}[key]


async def test_bursts_of_any_keys_give_what_the_keys_give_one_by_one(run: Run) -> None:
    chosen = random.Random(5)
    keys = [*"abcd", "left", "right", "home", "end", "backspace", "delete"]
    async with run() as here:
        line, at = "", 0
        for _ in range(10):
            burst = chosen.choices(keys, k=25)
            for key in burst:
                line, at = edited(line, at, key)
            press_at_once(here, *burst)
            question = here.app.search.question
            await here.until(lambda: (question.value, question.cursor_position) == (line, at))  # noqa: B023


async def test_a_note_typed_at_once_behind_its_key_is_the_note(run: Run, demo: Any) -> None:
    async with run("red") as here:
        path = here.app.search.results.current.path
        press_at_once(here, "ctrl+e", *"helo", "left", "l", "end", "x", "backspace", "enter")
        await here.until(lambda: here.app.search.results.hits[0].note == "hello")
        assert here.app.search.question.value == "red"
    with open_store(demo.index) as store:
        found = store.photos.find(path)
        assert store.results.note(found.content) == "hello"


async def test_without_multi_nothing_is_marked_and_that_is_said(run: Run) -> None:
    async with run(multi=False) as here:
        await here.press("tab", "alt+a")
        assert here.app.search.results.marked == []
        assert any("--multi" in str(notice.message) for notice in here.app._notifications)


async def test_a_question_of_before_comes_back_with_the_up_key(run: Run) -> None:
    async with run("red circle") as here:
        await here.pilot.press("enter")
        await here.pilot.pause()
    async with run("two squares") as here:
        await here.pilot.press("enter")
        await here.pilot.pause()
    async with run() as here:
        await here.press("up")
        assert here.app.search.question.value == "two squares"
        await here.press("up")
        assert here.app.search.question.value == "red circle"
        await here.settled()
        await here.press("down")
        assert here.app.search.results.cursor == 1
    state = Path(os.environ["XDG_STATE_HOME"]) / "imgret" / "questions"
    assert state.stat().st_mode & 0o777 == 0o600


async def test_a_note_is_saved_and_found_at_once(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.results.hits[0].path
        await here.press("ctrl+e")
        await here.until(lambda: isinstance(here.app.screen, NoteScreen))
        await here.press(*"grandma")
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.results.hits[0].note == "grandma")
        assert "grandma" in here.text("#details")
        await here.clear()
        await here.type("grandma")
        assert here.app.search.results.hits[0].path == path
    with open_store(demo.index) as store:
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        assert store.results.note(photo.content) == "grandma"


async def test_a_note_can_be_left_and_removed(run: Run) -> None:
    async with run() as here:
        await here.press("ctrl+e", *"words", "escape")
        assert here.app.search.results.hits[0].note is None
        await here.press("ctrl+e", *"words")
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.results.hits[0].note == "words")
        await here.press("ctrl+e", *["backspace"] * 5)
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.results.hits[0].note is None)


async def test_more_like_this(run: Run) -> None:
    async with run("a red circle") as here:
        of = here.app.search.results.hits[0]
        await here.press("ctrl+l")
        await here.settled()
        alike = here.app.search.results.hits
        assert of.path not in [hit.path for hit in alike]
        assert len(alike) > 10
        cosines = [hit.cosine for hit in alike if hit.cosine is not None]
        assert len(cosines) > 10
        assert cosines == sorted(cosines, reverse=True)
        # Pictures that look the same come first; they are not compared by their vectors.
        assert all(hit.cosine is None for hit in alike[: len(alike) - len(cosines)])
        assert "like IMG_" in here.text("#status")
        await here.type("s")  # a new question is a question again
        assert "like IMG_" not in here.text("#status")


async def test_yank_copies_the_path(run: Run) -> None:
    async with run() as here:
        await here.press("ctrl+y")
        assert here.app.clipboard.encode() == here.app.search.results.hits[0].path


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An xdg-open that writes down what it was told to open."""
    told = tmp_path / "opened"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "xdg-open").write_text(f'#!/bin/sh\nprintf %s "$1" > {told}.part\nmv {told}.part {told}\n')
    (folder / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return told


@pytest.mark.parametrize("key", ["alt+enter", "ctrl+j", "ctrl+r"])
async def test_the_desktop_opens_the_photo_or_its_folder(run: Run, opener: Path, key: str) -> None:
    async with run() as here:
        path = here.app.search.results.hits[0].path
        await here.press(key)
        await here.until(opener.exists)
    assert opener.read_bytes() == (os.path.dirname(path) if key == "ctrl+r" else path)


async def test_a_missing_opener_is_said(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with run() as here:
        await here.press("alt+enter")
        assert any("xdg-open" in str(notice.message) for notice in here.app._notifications)


async def test_help_tells_every_key(run: Run) -> None:
    async with run() as here:
        await here.press("f1")
        assert isinstance(here.app.screen, HelpScreen)
        told = "\n".join(str(widget.content) for widget in here.app.screen.query("Static"))  # type: ignore[attr-defined]
        assert all(key.shown in told and key.does in told for key in KEYS)
        await here.press("escape")
        assert here.app.screen is here.app.search


async def test_the_palette_runs_commands(run: Run) -> None:
    async with run() as here:
        await here.press("f2")
        await here.until(lambda: isinstance(here.app.screen, CommandPalette))
        await here.pilot.press(*"toggle grid")
        await here.pilot.pause(0.5)
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.results.grid)


async def test_folders_and_failures_and_retry(run: Run, demo: Any, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    shutil.copy(demo.pictures / "IMG_0001.jpg", folder / "whole.jpg")
    with session().index() as store:
        look(session(), store, [os.fsencode(folder)])
        describe(session(), store)
        root = next(root for root in store.roots.all() if root.path == os.fsencode(folder))
        store.roots.mark_mounted(root.id, b"usb", "uuid:1")
        store.roots.mark_unmounted(root.id, b"usb", "nothing is mounted there")
    async with run() as here:
        await here.until(lambda: "1 failed" in here.text("#status"))
        await here.press("f3")
        await here.until(lambda: isinstance(here.app.screen, FoldersScreen))
        told = "\n".join(str(widget.content) for widget in here.app.screen.query("Static"))
        assert "broken.jpg" in told
        assert str(folder) in told
        assert f"{folder}/usb  offline: nothing is mounted there" in told
        assert str(demo.pictures) in told
        await here.press("r")
        assert here.app.screen is here.app.search
        await here.until(lambda: any("1 will be tried" in str(n.message) for n in here.app._notifications))


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
        await here.until(lambda: len(here.app.pictures._sent) > 3)
        await here.press("ctrl+t")
        assert here.app.theme == themes.GREY.name
        await here.pilot.pause()
        for line in here.app.screen._compositor.render_strips():
            for segment in line:
                for colour in (
                    segment.style and segment.style.color,
                    segment.style and segment.style.bgcolor,
                ):
                    if colour and colour.triplet:
                        assert len(set(colour.triplet)) == 1, (segment.text, colour)


async def test_the_preview_can_be_hidden(run: Run) -> None:
    async with run(graphics=Graphics.BLOCKS) as here:
        await here.press("ctrl+o")
        assert not here.app.search.preview.region
        await here.press("ctrl+o")
        assert here.app.search.preview.region.area > 100


async def test_the_mouse_moves_scrolls_and_chooses(run: Run) -> None:
    async with run() as here:
        view = here.app.search.results
        await here.pilot.click("#results", offset=(20, 7))
        assert view.cursor == 2
        view.post_message(events.MouseScrollDown(view, 5, 5, 0, 1, 0, False, False, False))
        await here.until(lambda: view.scroll_offset.y > 0)
        await here.press("ctrl+home")
        await here.pilot.click("#results", offset=(20, 4), times=2)
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.OK
    assert len(here.app.return_value.hits) == 1


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
async def test_any_size_will_do(run: Run, size: tuple[int, int], graphics: Graphics) -> None:
    async with run("red circle", size=size, graphics=graphics) as here:
        await here.press(
            "down", "ctrl+g", "down", "tab", "f1", "escape", "ctrl+e", "escape", "ctrl+g", "ctrl+o"
        )
        await here.pilot.resize_terminal(30, 8)
        await here.press("up")
        await here.pilot.resize_terminal(*size)
        await here.pilot.pause()
        assert here.app.search.results.current is not None


async def test_a_storm_of_resizes(run: Run) -> None:
    async with run("red", graphics=Graphics.BLOCKS) as here:
        for step in range(30):
            await here.pilot.resize_terminal(20 + step * 5, 6 + step)
        await here.pilot.resize_terminal(100, 30)
        await here.pilot.pause()
        assert here.app.search.results.size.width > 20
        assert here.app.search.preview.region.area > 100


async def test_a_photo_that_vanishes_or_breaks_is_told_where_it_would_be(run: Run, demo: Any) -> None:
    moved = demo.pictures / "IMG_0001.jpg"
    aside = moved.read_bytes()
    try:
        moved.unlink()
        (demo.pictures / "IMG_0002.jpg").rename(demo.pictures / "kept")
        (demo.pictures / "IMG_0002.jpg").write_bytes(b"no picture at all")
        async with run(graphics=Graphics.BLOCKS) as here:
            for name in (b"IMG_0001.jpg", b"IMG_0002.jpg"):
                place = next(
                    n for n, hit in enumerate(here.app.search.results.hits) if hit.path.endswith(name)
                )
                here.app.search.results.cursor = place
                await here.until(lambda: "cannot be shown" in _preview_text(here))
    finally:
        moved.write_bytes(aside)
        (demo.pictures / "kept").rename(demo.pictures / "IMG_0002.jpg")


async def test_a_photo_that_is_edited_while_it_is_looked_at_is_shown_anew(run: Run, demo: Any) -> None:
    edited = demo.pictures / "IMG_0003.jpg"
    before = edited.read_bytes()
    magenta = (230, 20, 200)
    try:
        async with run(graphics=Graphics.BLOCKS) as here:
            results = here.app.search.results
            results.cursor = next(n for n, hit in enumerate(results.hits) if hit.path == os.fsencode(edited))
            await here.settled()
            preview, thumbnail = here.app.search.preview.region, results._region(results.cursor)
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
        for segment in here.app.screen._compositor.render_strips()[y]:
            for character in segment.text:
                if character == "▀" and region.x <= x < region.right:
                    seen += [segment.style.color.triplet, segment.style.bgcolor.triplet]
                x += 1
    return bool(seen) and all(abs(a - b) < 12 for pixel in seen for a, b in zip(pixel, colour, strict=True))


def _preview_text(here: Any) -> str:
    preview = here.app.search.preview
    return "".join(strip.text for strip in preview.render_lines(preview.size.region))


async def test_an_index_without_photos_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, demo: Any
) -> None:
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "empty.db"))
    open_store(str(tmp_path / "empty.db")).close()
    async with run() as here:
        assert here.app.search.has_class("-empty")
        assert "imgret index" in here.text("#hint")
        await here.press("down", "ctrl+e", "ctrl+y", "ctrl+l", "tab", "ctrl+g", "alt+enter")
        # and the first photos come by themselves, from whatever program they are found
        with session().index() as store:
            look(session(), store, [os.fsencode(demo.pictures)])
        await here.until(lambda: len(here.names) == 24)
        assert not here.app.search.has_class("-empty")


async def test_a_missing_index_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMGRET_INDEX", str(tmp_path / "none.db"))
    async with run() as here:
        assert "no index" in here.text("#problem")
        assert "imgret index" in here.text("#problem")
    assert not (tmp_path / "none.db").exists()


async def test_the_focus_never_leaves_the_question(run: Run) -> None:
    async with run() as here:
        for key in ("tab", "shift+tab", "down", "ctrl+g", "f1", "escape"):
            await here.press(key)
        await here.pilot.click("#results", offset=(3, 3))
        await here.pilot.click("#details")
        assert here.app.focused is here.app.search.question


async def test_the_last_hit_brings_more_of_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgret_tui.screens.search.LIMIT", 5)  # as if the library were large
    async with run(size=(60, 7)) as here:
        assert len(here.names) == 12  # two screens of one line each
        await here.press("ctrl+end")
        last = here.app.search.results.current
        await here.settled()
        assert len(here.names) == 24
        assert here.app.search.results.current == last


async def test_why_an_answer_is_empty_stands_before_what_a_narrow_terminal_cuts_off(run: Run) -> None:
    async with run("is:offline") as here:
        await here.until(lambda: "no photo is offline" in here.text("#status"))
        status = here.text("#status")
        assert status.index("no photo is offline") < status.index("24 photos")
