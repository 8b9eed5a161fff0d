"""What someone meets who does not know imgret yet: empty folders, forgotten quotes, unset variables, wrong files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer.main
from command_line import WORDS_ONLY, Library, imgret, imgret_process

from imgret import disks
from imgret.cli.commands import app
from imgret.store.factory import open_store


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A place without photos and without an index."""
    place = Library(tmp_path)
    place.photos.mkdir()
    place.config.write_text(WORDS_ONLY)
    for name, value in place.environ().items():
        monkeypatch.setenv(name, value)
    return place


def test_the_list_of_commands_cuts_no_sentence() -> None:
    group = typer.main.get_command(app)
    for each in (group, *(command for command in group.commands.values() if hasattr(command, "commands"))):  # type: ignore[attr-defined]
        context = each.make_context("imgret", [], resilient_parsing=True, terminal_width=80)
        listed = each.get_help(context).partition("Commands:")[2]
        assert listed
        assert "..." not in listed


def test_an_unset_variable_is_no_query(words: Library) -> None:
    for text in ("", "  "):
        done = imgret_process("query", text)  # the quick path; `imgret` takes the other
        assert (done.code, done.out) == (2, b"")
        assert imgret("query", text).code == 2
    for command in ("index", "add", "remove", "show", "note", "retry"):
        done = imgret(command, "")
        assert (done.code, "a path is empty" in done.err) == (2, True), command


def test_a_folder_without_photos_is_online_and_the_index_empty(nothing: Library) -> None:
    assert "no folders yet" in imgret("folders").err
    assert "todo  index: none yet" in imgret("doctor").out.decode()
    done = nothing.index()
    assert (done.code, ": no photos" in done.err) == (0, True)
    (folder,) = nothing.status()["folders"]
    assert (folder["photos"], folder["online"]) == (0, True)
    for question in (["dog"], ["dog after:2019"], ["--json", "dog"]):
        done = imgret("query", *question)
        assert (done.code, done.out, done.err) == (1, b"", "no photo is indexed yet\n")
    assert imgret("folders").paths == [str(nothing.photos)]


def test_a_folder_that_never_held_photos_stays_online(words: Library) -> None:
    empty = words.home / "empty"
    empty.mkdir()
    assert imgret("index", empty).code == 0
    (words.photos / "IMG_1.jpg").rename(words.photos / "later.jpg")
    assert words.index().code == 0
    with open_store(str(words.database)) as store:
        assert disks.offline_folders(store) == []
    assert [folder["online"] for folder in words.status()["folders"]] == [True, True]


def test_one_of_a_thing_is_written_in_the_singular(words: Library) -> None:
    for photo in sorted(words.photos.iterdir())[1:]:
        photo.unlink()
    done = words.index()
    assert f"{words.photos}: 1 photo, 4 gone" in done.err
    status = imgret("status").out.decode()
    assert "1 photo: 1 described" in status
    assert f"{words.photos}  1 photo\n" in status
    assert "1 photo removed from the index" in imgret("remove", words.photos).err


def test_a_note_without_quotes_is_refused(words: Library) -> None:
    photo = words.photos / "IMG_1.jpg"
    done = imgret("note", photo, "two", "words")
    assert (done.code, "in quotes" in done.err) == (2, True)
    lines = words.home / "notes.jsonl"
    lines.write_text(json.dumps({"path": str(photo), "note": "kept"}) + "\nnot JSON\n")
    done = imgret("note", photo, "--import", lines)
    assert (done.code, "omit FILE" in done.err) == (2, True)
    done = imgret("note", "--import", lines)
    assert (done.code, "line 2: not JSON: Expecting value at character 1" in done.err) == (1, True)
    assert imgret("note", photo).out == b"kept\n"


def test_a_file_that_is_no_backup_and_a_place_that_is_not_there(words: Library) -> None:
    for wrong, code, part in (
        (words.home / "nowhere.db", 2, "there is no file"),
        (words.photos, 2, "is a folder"),
        (words.photos / "IMG_1.jpg", 3, "is not a backup"),
    ):
        done = imgret("restore", wrong)
        assert (done.code, part in done.err, "Name a file that `imgret backup` made" in done.err) == (
            code,
            True,
            True,
        )
    done = imgret("backup", words.home / "nowhere" / "a.db")
    assert (done.code, "there is no folder" in done.err) == (2, True)
    assert words.status()["described"] == 5


def test_advice_fits_the_query(words: Library) -> None:
    (words.photos / "empty.jpg").touch()
    assert words.index().code == 1
    done = imgret("query", "--like", words.photos / "empty.jpg")
    assert (done.code, "tried again" in done.err, "Use another" in done.err) == (2, False, True)
    done = imgret("note", words.photos / "empty.jpg", "hello")
    assert (done.code, "empty.jpg is empty" in done.err, done.err.count("empty.jpg")) == (2, True, 1)
    done = imgret("retry", words.photos)
    assert (done.code, "is a folder" in done.err) == (2, True)
    assert "it is a folder" in imgret("show", words.photos).out.decode()
    done = imgret("models", "pull")
    assert (done.code, done.err.count("switched off")) == (0, 7)
    assert "described by the next" not in done.err
    assert imgret("query", "--batch", "/dev/null").err == "/dev/null contains no query\n"


def test_an_unknown_key_need_not_stand_in_the_photo(words: Library) -> None:
    assert imgret("note", words.photos / "IMG_3.png", "Rosa at the lake").code == 0
    found = imgret("query", "note:Rosa")
    assert (found.code, found.paths[0]) == (0, str(words.photos / "IMG_3.png"))
    assert "note: is no filter" in found.err
    left = imgret("query", "--json", "triangle -note:Rosa").objects
    names = [os.path.basename(hit["path"]) for hit in left]
    assert (names[0], "IMG_3.png" in names) == ("IMG_5.jpg", False)
