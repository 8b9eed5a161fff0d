"""Keywords and ratings in the picker, and the keys about one photo in the full-screen photo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from imgret.photo import Tag
from imgret.store.factory import open_store
from imgret_tui import desktop
from imgret_tui.screens.note_dialog import NoteDialog
from imgret_tui.screens.photo_screen import PhotoScreen
from imgret_tui.screens.tag_dialogs import KeywordsDialog, RatingDialog

Run = Callable[..., Any]


def own_tags(index: str, path: bytes) -> list[Tag]:
    with open_store(index) as store:
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        return store.results.imported_tags(photo.content)


async def test_keywords_are_written_found_and_dropped(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        await here.press(*"sea, Two words", "enter")
        await here.until(lambda: "keywords: sea, Two words" in here.notices)
        assert own_tags(demo.index, path) == [Tag("keyword", "Two words"), Tag("keyword", "sea")]
        assert "tags    sea, Two words" in here.text("#details") or "Two words, sea" in here.text("#details")
        await here.clear()
        await here.type('keyword:"two words"')
        assert [hit.path for hit in here.app.search.hit_list.hits] == [path]
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        assert here.app.screen.query_one(Input).value == "Two words, sea"
        await here.press("ctrl+u", *"Sea", "enter")
        await here.until(lambda: "keywords: Sea" in here.notices)
        assert own_tags(demo.index, path) == [Tag("keyword", "sea")]


async def test_a_keyword_that_is_too_long_is_refused_and_kept(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        here.app.screen.query_one(Input).value = "x" * 201
        await here.press("enter")
        assert isinstance(here.app.screen, KeywordsDialog)
        texts = [str(each.content) for each in here.app.screen.query(Static)]
        assert any("a tag has 1 to 200 characters" in text for text in texts)
        assert here.app.screen.query_one(Input).value == "x" * 201
        await here.press("escape")
        assert here.app.screen is here.app.search
        assert own_tags(demo.index, path) == []


async def test_a_rating_is_given_shown_and_taken_back(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        await here.press("alt+r")
        await here.until(lambda: isinstance(here.app.screen, RatingDialog))
        await here.press("right", "right", "left", "right", "enter")
        await here.until(lambda: "rating: ★★" in here.notices)
        assert own_tags(demo.index, path) == [Tag("rating", "2")]
        assert "rating  ★★" in here.text("#details")
        await here.press("alt+r")
        await here.until(lambda: isinstance(here.app.screen, RatingDialog))
        await here.press("4")
        await here.until(lambda: "rating: ★★★★" in here.notices)
        assert own_tags(demo.index, path) == [Tag("rating", "4")]
        await here.press("alt+r")
        await here.until(lambda: isinstance(here.app.screen, RatingDialog))
        await here.press("escape")
        assert own_tags(demo.index, path) == [Tag("rating", "4")]
        await here.press("alt+r")
        await here.until(lambda: isinstance(here.app.screen, RatingDialog))
        await here.press("0")
        await here.until(lambda: "rating: none of yours" in here.notices)
        assert own_tags(demo.index, path) == []
        assert "★" not in here.text("#details")


async def test_the_full_screen_photo_has_the_keys_about_one_photo(
    run: Run, demo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []
    monkeypatch.setattr(desktop, "open_path", opened.append)  # else a program of the desktop starts
    async with run("a red circle") as here:
        await here.press("ctrl+o", "ctrl+o")
        assert isinstance(here.app.screen, PhotoScreen)
        await here.press("n")
        path = here.app.search.hit_list.current.path
        await here.press("r")
        await here.until(lambda: isinstance(here.app.screen, RatingDialog))
        await here.press("3")
        await here.until(lambda: "★★★" in here.text(".photo-text"))
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        await here.press(*"sea", "enter")
        await here.until(lambda: "keywords: sea" in here.notices)
        assert own_tags(demo.index, path) == [Tag("keyword", "sea"), Tag("rating", "3")]
        for key in ("e", "alt+n"):
            await here.press(key)
            assert isinstance(here.app.screen, NoteDialog)
            await here.press("escape")
            assert isinstance(here.app.screen, PhotoScreen)
        await here.press("o", "alt+enter")
        assert opened == [path, path]
        await here.press("y")
        assert here.app.clipboard == path.decode()


async def test_own_commands_work_in_the_full_screen_photo(run: Run, demo: Any, tmp_path: Path) -> None:
    from imgret_tui.keymap import Keymap

    made = tmp_path / "made"
    async with run("a red circle") as here:
        here.app.key_table = Keymap({"alt-x": f"execute-silent(printf %s {{}} > {made})"})
        await here.press("ctrl+o", "ctrl+o", "alt+x")
        path = here.app.search.hit_list.current.path
        await here.until(lambda: made.exists() and made.read_bytes() == path)


async def test_marked_photos_are_changed_together_and_keep_what_they_do_not_share(
    run: Run, demo: Any
) -> None:
    async with run("circle", multi=True) as here:
        hits = here.app.search.hit_list.hits
        paths = [hit.path for hit in hits[:3]]
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        await here.press(*"first", "enter")
        await here.until(lambda: "keywords: first" in here.notices)
        await here.press("tab", "tab")
        await here.until(lambda: len(here.app.search.hit_list.marked) == 2)
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        assert "Keywords of 2 marked photos" in [str(each.content) for each in here.app.screen.query(Static)]
        assert here.app.screen.query_one(Input).value == ""  # they share none
        await here.press(*"sea", "enter")
        await here.until(lambda: "2 photos, keywords: sea" in here.notices)
        await here.press("alt+r")
        await here.until(lambda: isinstance(here.app.screen, RatingDialog))
        await here.press("4")
        await here.until(lambda: "2 photos, rating: ★★★★" in here.notices)
        both = [Tag("keyword", "sea"), Tag("rating", "4")]
        assert own_tags(demo.index, paths[0]) == [Tag("keyword", "first"), *both]
        assert own_tags(demo.index, paths[1]) == both
        assert own_tags(demo.index, paths[2]) == []
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        assert here.app.screen.query_one(Input).value == "sea"
        await here.press("ctrl+u", "enter")
        await here.until(lambda: "2 photos, keywords: none" in here.notices)
        assert own_tags(demo.index, paths[0]) == [Tag("keyword", "first"), Tag("rating", "4")]
        assert own_tags(demo.index, paths[1]) == [Tag("rating", "4")]
