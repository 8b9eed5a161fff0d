"""What the user saved is saved, whatever the threads do and although the program ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from textual.message import Message

from imgret.errors import Exit, ImgretError, IndexBusy
from imgret.photo import Tag
from imgret.store.factory import open_store
from imgret.store.interface.descriptions import Results
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.photo_actions import Outcome
from imgret_tui.screens.note_dialog import NoteDialog
from imgret_tui.screens.photo_screen import PhotoScreen
from imgret_tui.screens.tag_dialogs import KeywordsDialog

Run = Callable[..., Any]


class NoBackend:
    """Stands where jobs expect a backend; these jobs need none."""

    is_local = False

    def close(self) -> None:
        """Nothing is open."""


def ended_while_busy(*saves: Callable[[Any], Message | None]) -> list[ImgretError]:
    """Request saves while the thread runs another job, and close the threads before that job ends."""
    threads, began, go, errors = (
        BackendThreads(NoBackend, lambda _: None),
        threading.Event(),
        threading.Event(),
        [],
    )

    def busy(_: object) -> None:
        began.set()
        go.wait(60)

    threads.run("details", busy)
    assert began.wait(60)
    for save in saves:
        threads.save(save)
    closing = threading.Thread(target=lambda: errors.extend(threads.close()))
    closing.start()
    threads._meaning.join(60)  # it has nothing to do, so it ends as soon as all are closed
    go.set()
    closing.join(60)
    assert not closing.is_alive()
    return errors


def test_all_that_was_saved_before_the_end_is_saved() -> None:
    saved: list[str] = []
    assert ended_while_busy(lambda _: saved.append("note"), lambda _: saved.append("tags")) == []
    assert saved == ["note", "tags"]


def test_what_could_not_be_saved_is_reported() -> None:
    saved: list[str] = []

    def fail(_: object) -> None:
        raise IndexBusy("another process writes")

    assert [str(error) for error in ended_while_busy(fail, lambda _: saved.append("tags"))] == [
        "another process writes"
    ]
    assert saved == ["tags"]


@contextmanager
def opened(index: str, path: bytes) -> Iterator[tuple[Results, int]]:
    """The results in an index, and the content of a photo; what is written is saved at the end."""
    with open_store(index) as store, store.writing():
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        yield store.results, photo.content


def note_of(index: str, path: bytes) -> str | None:
    with opened(index, path) as (results, content):
        return results.note(content)


async def test_a_note_is_saved_although_the_picker_ends(run: Run, demo: Any) -> None:
    go = threading.Event()

    def wait(_: object) -> None:
        go.wait(60)

    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        await here.until(lambda: not here.app.search.photo_pane.is_waiting)
        here.app.backend.run("slow", wait)
        await here.press("alt+n")
        await here.until(lambda: isinstance(here.app.screen, NoteDialog))
        await here.press(*"words", "enter")
        threading.Timer(0.5, go.set).start()
    assert note_of(demo.index, path) == "words"
    assert here.app.unsaved == []


@pytest.mark.parametrize(("opening", "dialog"), [("alt+n", NoteDialog), ("alt+k", KeywordsDialog)])
async def test_ctrl_c_at_once_after_enter_leaves_the_picker_and_saves(
    run: Run, demo: Any, opening: str, dialog: type
) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        await here.until(lambda: not here.app.search.photo_pane.is_waiting)
        await here.press(opening)
        await here.until(lambda: isinstance(here.app.screen, dialog))
        here.press_without_waiting(*"words", "enter", "ctrl+c")
        await here.until(lambda: here.app.return_value is not None)
        assert here.app.return_value == Outcome(Exit.INTERRUPTED)
    assert here.app.unsaved == []
    with opened(demo.index, path) as (results, content):
        assert results.note(content) == ("words" if dialog is NoteDialog else None)
        assert [tag.label for tag in results.imported_tags(content)] == (
            [] if dialog is NoteDialog else ["words"]
        )


async def test_a_note_that_is_not_edited_keeps_its_lines(run: Run, demo: Any) -> None:
    text = "one line\nanother\u200f line"
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        with opened(demo.index, path) as (results, content):
            results.write_note(content, text)
        here.app.search.show_note(path, text)
        await here.press("alt+n")
        await here.until(lambda: isinstance(here.app.screen, NoteDialog))
        await here.press("enter")
        assert here.app.screen is here.app.search
    assert note_of(demo.index, path) == text


async def test_a_keyword_with_characters_that_are_not_shown_is_kept(run: Run, demo: Any) -> None:
    label = "\u05d9\u05dd\u200f"  # Hebrew, with a direction mark
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        with opened(demo.index, path) as (results, content):
            results.import_tags(content, [Tag("keyword", label)], [])
        await here.press("alt+k")
        await here.until(lambda: isinstance(here.app.screen, KeywordsDialog))
        await here.press(*", sea", "enter")
        await here.until(lambda: any(notice.startswith("keywords: ") for notice in here.notices))
    with opened(demo.index, path) as (results, content):
        kept = results.imported_tags(content)
    assert set(kept) == {Tag("keyword", "sea"), Tag("keyword", label)}


async def test_a_marked_photo_is_shown_as_marked_whatever_its_hit_says(run: Run) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        await here.press("tab", "up")
        here.app.search.show_note(path, "a note that was written meanwhile")
        await here.press("ctrl+o", "ctrl+o")
        await here.until(lambda: isinstance(here.app.screen, PhotoScreen))
        assert here.app.search.hit_list.current.path == path
        assert here.text(".photo-text").startswith("✓ ")
