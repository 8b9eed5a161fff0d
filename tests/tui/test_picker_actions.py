"""Moving, choosing, marking, notes, and the other keys of the picker."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.command import CommandPalette

from imgret.cli.index_command import describe, scan_folders
from imgret.cli.session import session
from imgret.errors import Exit
from imgret.store.factory import open_store
from imgret_tui.keymap import KEYS
from imgret_tui.screens.dialogs import FoldersDialog, HelpDialog
from imgret_tui.screens.note_dialog import NoteDialog
from imgret_tui.screens.photo_screen import PhotoScreen

Run = Callable[..., Any]


async def test_moving_in_the_list(run: Run) -> None:
    async with run(size=(120, 30)) as here:
        view = here.app.search.hit_list
        for key, place in [("down", 1), ("ctrl+j", 2), ("up", 1), ("ctrl+k", 0), ("up", 0)]:
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


async def test_left_and_right_move_in_the_query_or_in_the_grid(run: Run) -> None:
    async with run("red") as here:
        query = here.app.search.query_input
        await here.press("left", "left", "right")
        assert query.cursor_position == 2
        await here.press("ctrl+o", "right")
        assert here.app.search.hit_list.cursor == 1
        assert query.cursor_position == 2
        await here.press("down")
        across = here.app.search.hit_list.cursor - 1
        assert across > 1
        await here.press("up", "left")
        assert here.app.search.hit_list.cursor == 0
        await here.press("ctrl+o")  # the full-screen photo comes after the grid, then the list
        assert isinstance(here.app.screen, PhotoScreen)
        await here.press("ctrl+o")
        assert not here.app.search.hit_list.is_grid


async def test_enter_chooses_the_photo_under_the_cursor(run: Run) -> None:
    async with run("a blue square") as here:
        await here.press("down")
        chosen = here.app.search.hit_list.hits[1]
        await here.pilot.press("enter")
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.OK
    assert [hit.path for hit in here.app.return_value.hits] == [chosen.path]


async def test_enter_without_hits_has_the_exit_code_of_fzf(run: Run) -> None:
    async with run("after:1971 before:1972") as here:
        assert here.names == []
        await here.pilot.press("enter")
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.NO_HITS
    assert here.app.return_value.hits == ()


@pytest.mark.parametrize("key", ["escape", "ctrl+c", "ctrl+g", "ctrl+d", "ctrl+q"])
async def test_quitting_without_choosing(run: Run, key: str) -> None:
    async with run() as here:
        await here.pilot.press(key)
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.INTERRUPTED


async def test_marks_survive_another_query_and_keep_their_order(run: Run) -> None:
    async with run("red") as here:
        first, second = here.app.search.hit_list.hits[:2]
        await here.press("down", "shift+tab", "tab")
        assert here.app.search.hit_list.cursor == 1
        assert "2 marked" in here.text("#status")
        await here.clear()
        await here.type("blue")
        third = here.app.search.hit_list.hits[0]
        await here.press("tab")
        await here.pilot.press("enter")
        await here.pilot.pause()
    marked = [hit.path for hit in here.app.return_value.hits]
    assert marked[:2] == [second.path, first.path]
    assert third.path in marked


async def test_marking_all_and_none(run: Run) -> None:
    async with run() as here:
        await here.press("alt+a")
        assert len(here.app.search.hit_list.marked) == 24
        await here.press("alt+a")
        assert here.app.search.hit_list.marked == []
        await here.press("tab", "shift+tab", "shift+tab")
        assert len(here.app.search.hit_list.marked) == 1


async def test_marking_all_includes_hits_that_are_not_loaded_yet(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgret_tui.screens.query_screen.FIRST_LIMIT", 5)  # as if the library were large
    async with run(size=(60, 7)) as here:
        assert len(here.names) == 12
        await here.press("alt+a")
        await here.until(lambda: len(here.app.search.hit_list.marked) == 24)
        assert here.notices == ["24 photos are marked"]
        assert "24 marked" in here.text("#status")
        await here.press("alt+a")
        assert here.app.search.hit_list.marked == []
        assert here.notices[-1] == "24 photos are no longer marked"


async def test_marking_all_has_a_limit_and_reports_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgret_tui.screens.query_screen.FIRST_LIMIT", 5)
    monkeypatch.setattr("imgret_tui.screens.search_screen.MAX_MARKED_AT_ONCE", 20)
    async with run(size=(60, 7)) as here:
        await here.press("alt+a")
        await here.until(lambda: len(here.app.search.hit_list.marked) == 20)
        assert here.notices == ["the first 20 photos are marked"]


async def test_without_multi_marking_only_shows_a_hint(run: Run) -> None:
    async with run(multi=False) as here:
        await here.press("tab", "alt+a")
        assert here.app.search.hit_list.marked == []
        assert any("--multi" in notice for notice in here.notices)


async def test_keys_typed_right_after_alt_n_go_into_the_note(run: Run, demo: Any) -> None:
    async with run("red") as here:
        path = here.app.search.hit_list.current.path
        here.press_without_waiting("alt+n", *"helo", "left", "l", "end", "x", "backspace", "enter")
        await here.until(lambda: here.app.search.hit_list.hits[0].note == "hello")
        assert here.app.search.query_input.value == "red"
    with open_store(demo.index) as store:
        found = store.photos.find(path)
        assert store.results.note(found.content) == "hello"


async def test_a_saved_note_is_found_at_once(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.hits[0].path
        await here.press("alt+n")
        await here.until(lambda: isinstance(here.app.screen, NoteDialog))
        await here.press(*"grandma")
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.hit_list.hits[0].note == "grandma")
        assert "grandma" in here.text("#details")
        await here.clear()
        await here.type("grandma")
        assert here.app.search.hit_list.hits[0].path == path
    with open_store(demo.index) as store:
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        assert store.results.note(photo.content) == "grandma"


async def test_a_note_can_be_cancelled_and_deleted(run: Run) -> None:
    async with run() as here:
        await here.press("alt+n", *"words", "escape")
        assert here.app.search.hit_list.hits[0].note is None
        await here.press("alt+n", *"words")
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.hit_list.hits[0].note == "words")
        await here.press("alt+n", *["backspace"] * 5)
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.hit_list.hits[0].note is None)


async def test_yank_copies_the_path(run: Run) -> None:
    async with run() as here:
        await here.press("ctrl+y")
        assert here.app.clipboard.encode() == here.app.search.hit_list.hits[0].path


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An xdg-open that writes its argument to a file."""
    opened = tmp_path / "opened"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "xdg-open").write_text(
        f'#!/bin/sh\nprintf %s "$1" > {opened}.part\nmv {opened}.part {opened}\n'
    )
    (folder / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return opened


@pytest.mark.parametrize("key", ["alt+enter", "ctrl+r"])
async def test_the_desktop_opens_the_photo_or_its_folder(run: Run, opener: Path, key: str) -> None:
    async with run() as here:
        path = here.app.search.hit_list.hits[0].path
        await here.press(key)
        await here.until(opener.exists)
    assert opener.read_bytes() == (os.path.dirname(path) if key == "ctrl+r" else path)


async def test_a_missing_opener_is_reported(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with run() as here:
        await here.press("alt+enter")
        assert any("xdg-open" in notice for notice in here.notices)


async def test_the_help_lists_every_key(run: Run) -> None:
    async with run() as here:
        await here.press("f1")
        assert isinstance(here.app.screen, HelpDialog)
        text = "\n".join(str(widget.content) for widget in here.app.screen.query("Static"))  # type: ignore[attr-defined]
        assert all(key.label in text and key.description in text for key in KEYS)
        await here.press("escape")
        assert here.app.screen is here.app.search


async def test_the_palette_runs_commands(run: Run) -> None:
    async with run() as here:
        await here.press("f2")
        await here.until(lambda: isinstance(here.app.screen, CommandPalette))
        await here.pilot.press(*"next layout")
        await here.pilot.pause(0.5)
        await here.pilot.press("enter")
        await here.until(lambda: here.app.search.hit_list.is_grid)


async def test_folders_and_failed_photos_and_retry(run: Run, demo: Any, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    shutil.copy(demo.pictures / "IMG_0001.jpg", folder / "whole.jpg")
    with session().index() as store:
        scan_folders(session(), store, [os.fsencode(folder)])
        describe(session(), store)
        root = next(root for root in store.roots.all() if root.path == os.fsencode(folder))
        store.roots.mark_mounted(root.id, b"usb", "uuid:1")
        store.roots.mark_unmounted(root.id, b"usb", "nothing is mounted there")
    async with run() as here:
        await here.until(lambda: "1 failed" in here.text("#status"))
        await here.press("f3")
        await here.until(lambda: isinstance(here.app.screen, FoldersDialog))
        text = "\n".join(str(widget.content) for widget in here.app.screen.query("Static"))
        assert "broken.jpg" in text
        assert "(try 1 of 5, again in " in text
        assert str(folder) in text
        assert f"{folder}/usb  offline: nothing is mounted there" in text
        assert str(demo.pictures) in text
        await here.press("r")
        assert here.app.screen is here.app.search
        await here.until(lambda: any("1 photo will be tried" in notice for notice in here.notices))


async def test_the_mouse_moves_scrolls_and_chooses(run: Run) -> None:
    async with run() as here:
        view = here.app.search.hit_list
        await here.pilot.click("#hits", offset=(20, view.hit_layout.region(2).y + 1))
        assert view.cursor == 2
        view.post_message(events.MouseScrollDown(view, 5, 5, 0, 1, 0, False, False, False))
        await here.until(lambda: view.scroll_offset.y > 0)
        await here.press("ctrl+home")
        await here.pilot.click("#hits", offset=(20, 4), times=2)
        await here.pilot.pause()
    assert here.app.return_value.code == Exit.OK
    assert len(here.app.return_value.hits) == 1
