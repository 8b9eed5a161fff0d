"""The dialog of a note: its lines, and what becomes of a text that cannot be saved."""

import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.widgets import TextArea

from imgret.errors import ImgretError
from imgret.store.factory import open_store
from imgret.terminal.clean import clean
from imgret_tui import backend_threads
from imgret_tui.backend_threads import BackendThreads
from imgret_tui.note_saving import NoteJob, NoteNotSaved, kept
from imgret_tui.picker_messages import JobFailed
from imgret_tui.screens.note_dialog import NoteDialog, restored, shown

Run = Callable[..., Any]
LINES = re.compile("\r\n|\r|\n")


def note_of(index: str, path: bytes) -> str | None:
    with open_store(index) as store:
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        return store.results.note(photo.content)


async def opened(here: Any) -> NoteDialog:
    """Open the dialog of the current photo."""
    await here.until(lambda: not here.app.search.photo_pane.is_waiting)
    await here.press("alt+n")
    return await shown_dialog(here)


async def shown_dialog(here: Any, but: NoteDialog | None = None) -> NoteDialog:
    """Wait for a dialog other than `but` that takes keys, and return it."""
    await here.until(lambda: isinstance(here.app.screen, NoteDialog) and here.app.screen is not but)
    await here.until(lambda: isinstance(here.app.focused, TextArea))
    return here.app.screen


async def kept_busy(here: Any) -> threading.Event:
    """Keep the thread of the backend busy until the event is set."""
    began, go = threading.Event(), threading.Event()

    def job(_: Any) -> None:
        began.set()
        go.wait(300)

    here.app.backend.run("slow", job)
    await here.until(began.is_set)  # what is saved would run before it
    return go


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\n\r\t\u200f\x1b"), max_size=60))
def test_what_is_shown_has_all_lines_and_nothing_is_lost_if_none_is_edited(note: str) -> None:
    text = shown(note)
    assert restored(note, text) == "\n".join(LINES.split(note))
    assert len(text.split("\n")) == len(LINES.split(note))
    assert all(clean(part) == part for line in text.split("\n") for part in line.split("\t"))


def test_edited_lines_are_taken_as_they_are_and_the_others_keep_what_is_not_shown() -> None:
    note = "a\u200f\nb\x07\nc"
    assert restored(note, "new\na\ufffd\nb!\nc") == "new\na\u200f\nb!\nc"


async def test_a_note_of_several_lines_is_edited_as_such(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        here.app.search.show_note(path, "one\u200f\n\ntwo")
        dialog = await opened(here)
        area = dialog.query_one(TextArea)
        assert area.text == "one\ufffd\n\ntwo"
        assert area.size.height >= 3
        for key in ("ctrl+j", "alt+enter"):
            here.press_without_waiting(*"new", key)
        here.press_without_waiting(*"lasst", "left", "backspace", "enter")
        await here.until(lambda: here.app.screen is here.app.search)
        saved = "one\u200f\n\ntwonew\nnew\nlast"
        assert here.app.search.hit_list.current.note == saved
        assert note_of(demo.index, path) == saved


async def test_pasted_lines_stay_lines_and_cannot_reach_the_terminal(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        area = (await opened(here)).query_one(TextArea)
        area.post_message(events.Paste("first\r\n\tsecond \x1b[31m\rthird"))
        await here.until(lambda: bool(area.text))
        await here.press("enter")
        await here.until(lambda: here.app.screen is here.app.search)
    assert note_of(demo.index, path) == "first\n\tsecond \ufffd[31m\nthird"


@pytest.fixture
def full(demo: Any, mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """The index on a small disk. The function fills it, and returns the file that does."""
    disk = mounted("size=16m")
    shutil.copy(demo.index, disk / "index.db")
    monkeypatch.setenv("IMGRET_INDEX", str(disk / "index.db"))

    def fill() -> Path:
        with open(disk / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return disk / "filler"

    return fill


async def test_the_dialog_stays_open_while_the_disk_is_full(full: Callable[[], Path], run: Run) -> None:
    async with run("a red circle") as here:
        path = here.app.search.hit_list.current.path
        dialog = await opened(here)
        filler = full()
        here.press_without_waiting(*"grandma", "ctrl+j", *"in Rome", "enter")
        await here.until(lambda: "not saved" in here.text(".hint"))
        assert "disk" in here.text(".hint")
        assert "full" in here.text(".hint")
        area = dialog.query_one(TextArea)
        assert area.text == "grandma\nin Rome"
        await here.press("enter")  # it is still full
        await here.until(lambda: not dialog.is_saving)
        assert here.app.screen is dialog
        filler.unlink()
        await here.press("!", "enter")
        await here.until(lambda: here.app.screen is here.app.search)
        assert here.app.search.hit_list.current.note == "grandma\nin Rome!"
        assert here.app.unsaved == []
    assert note_of(str(filler.parent / "index.db"), path) == "grandma\nin Rome!"


async def test_a_text_that_was_left_before_it_could_not_be_saved_is_in_a_file(
    full: Callable[[], Path], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with run("a red circle") as here:
        await opened(here)
        full()
        go = await kept_busy(here)
        here.press_without_waiting(*"grandma", "enter", "x")
        await here.until(lambda: here.app.search.query_input.value == "a red circlex")
        assert here.app.screen is here.app.search
        go.set()
        await here.until(lambda: any("Its text is in" in notice for notice in here.notices))
        assert len(here.app.unsaved) == 1
    (file,) = tmp_path.glob("imgret-note-*")
    assert file.read_text() == "grandma"
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file) in here.app.unsaved[0].hint


async def test_keys_that_are_typed_while_a_note_is_saved_close_only_its_dialog(run: Run, demo: Any) -> None:
    async with run("a red circle") as here:
        dialog = await opened(here)
        go = await kept_busy(here)
        here.press_without_waiting("w", "enter")
        await here.until(lambda: dialog.is_saving)
        for key in "xyz":
            dialog.query_one(TextArea).post_message(events.Key(key, key))
        await here.until(lambda: here.app.search.query_input.value == "a red circlexyz")
        assert here.app.screen is here.app.search
        go.set()


async def test_an_error_of_an_earlier_note_is_not_that_of_the_open_dialog(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with run("a red circle") as here:
        left = await opened(here)
        go = await kept_busy(here)
        here.press_without_waiting(*"first", "enter", "alt+n")
        dialog = await shown_dialog(here, but=left)
        here.press_without_waiting(*"second", "enter")
        await here.until(lambda: dialog.is_saving)
        early = NoteNotSaved(here.app.search.hit_list.current.path, "first", ImgretError("the disk is full"))
        here.app.on_job_failed(JobFailed(early))
        assert dialog.is_saving
        assert len(here.app.unsaved) == 1
        go.set()
        await here.until(lambda: here.app.screen is here.app.search)
    (file,) = tmp_path.glob("imgret-note-*")
    assert file.read_text() == "first"


def test_an_error_that_nobody_has_read_is_returned_at_the_end() -> None:
    why, posted = ImgretError("the index is busy"), threading.Semaphore(0)

    def no_backend() -> Any:
        raise why

    threads = BackendThreads(no_backend, lambda _: posted.release())
    threads.save(NoteJob(b"/a.jpg", "words", None))
    assert posted.acquire(timeout=60)
    threads.save(NoteJob(b"/b.jpg", "more", None))
    assert posted.acquire(timeout=60)
    threads.forget(threads._words.unsaved[1])
    (error,) = threads.close()
    assert isinstance(error, NoteNotSaved)
    assert (str(error), error.path, error.text) == ("the index is busy", b"/a.jpg", "words")


def test_a_note_that_still_waits_when_the_program_ends_is_reported_with_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend_threads, "SAVING_SECONDS", 0.1)
    began, go = threading.Event(), threading.Event()

    def busy(_: object) -> None:
        began.set()
        go.wait(60)

    threads = BackendThreads(lambda: None, lambda _: None)  # type: ignore[arg-type,return-value]  no job needs a backend
    threads.run("details", busy)
    assert began.wait(60)
    threads.save(NoteJob(b"/a.jpg", "words", None))
    (error,) = threads.close()
    go.set()
    assert isinstance(error, NoteNotSaved)
    assert (error.path, error.text) == (b"/a.jpg", "words")


def test_the_text_itself_is_shown_where_no_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    why = ImgretError("the disk is full", "Free some space.")
    error = kept(NoteNotSaved(b"/photos/a.jpg", "one\ntwo", why))
    assert str(error) == "the note about a.jpg was not saved: the disk is full"
    assert error.hint == "Its text: one / two. Free some space."
    assert kept(why) is why
    assert kept(NoteNotSaved(b"/photos/a.jpg", "", why)).hint == "Free some space."
