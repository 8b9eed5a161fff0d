"""A photo's way in, and what later changes to it cost. The tiny models are real, and so is the meaning."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import termios
import time

import pytest
from command_line import DRAWN, Library, draw, imgret
from PIL import Image

UNTOUCHED = "kept as it was"  # a caption that no model makes: where it stays, no model ran again


def mark(library: Library, name: str) -> int:
    """Put a caption in the index that shows whether a model described this content again. -> the content."""
    content = library.content(name)
    library.write(
        "UPDATE stage_result SET payload = ? WHERE stage = 'caption' AND content = ?",
        f'["{UNTOUCHED}"]',
        content,
    )
    return content


def vectors(library: Library, content: int) -> list[tuple[object, ...]]:
    return library.rows("SELECT view, data FROM vector WHERE content = ? ORDER BY view", content)


@pytest.mark.must_run
@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_found_first_by_its_description(library: Library, name: str) -> None:
    colour, kind, ground = DRAWN[name]
    found = imgret("query", f"a {colour} {kind} on {ground}")
    assert found.code == 0
    assert os.path.basename(found.paths[0]) == name


@pytest.mark.must_run
def test_a_red_circle_has_the_reason_for_the_hit(library: Library) -> None:
    hit = imgret("query", "--json", "-k", "1", "a red circle").objects[0]
    assert hit["path"].endswith("IMG_1.jpg")
    assert hit["strength"] == "strong"
    assert "red circle" in hit["caption"]
    assert hit["objects"] == {"circle": 1}
    assert hit["why"]


def test_the_second_run_does_nothing(library: Library) -> None:
    mark(library, "IMG_1.jpg")
    before = library.rows("SELECT * FROM stage_result ORDER BY content, stage")
    again = library.index()
    assert again.code == 0
    assert "5 photos, nothing changed" in again.err
    assert "up to date" in again.err
    assert library.rows("SELECT * FROM stage_result ORDER BY content, stage") == before


@pytest.mark.must_run
def test_a_copy_and_a_rename_keep_note_and_vector_and_run_no_model(library: Library) -> None:
    assert imgret("note", library.photos / "IMG_1.jpg", "the button of my coat").code == 0
    assert library.index().code == 0
    content = mark(library, "IMG_1.jpg")
    before = vectors(library, content)
    assert [view for view, _ in before] == ["captions", "counts", "image", "note", "passage"]

    (library.photos / "sub").mkdir()
    (library.photos / "IMG_1.jpg").rename(library.photos / "sub" / "renamed.jpg")
    shutil.copy(library.photos / "sub" / "renamed.jpg", library.photos / "copy.jpg")
    again = library.index()
    assert "2 moved or copied, 1 gone" in again.err
    assert "nothing to describe" in again.err
    assert library.content("renamed.jpg") == library.content("copy.jpg") == content
    assert vectors(library, content) == before
    shown = library.shown("sub/renamed.jpg")
    assert (shown["note"], shown["caption"]) == ("the button of my coat", UNTOUCHED)
    assert [other["path"] for other in shown["other_paths"]] == [str(library.photos / "copy.jpg")]

    found = imgret("query", "--json", "a red circle").objects
    assert [hit["path"].endswith(("copy.jpg", "renamed.jpg")) for hit in found] == [True] + [False] * 4
    gone = library.shown("IMG_1.jpg")
    assert (gone["state"], "it was deleted or moved by" in gone["reason"]) == ("unknown", True)


@pytest.mark.must_run
def test_new_metadata_alone_is_decoded_and_runs_no_model(library: Library) -> None:
    path = library.photos / "IMG_1.jpg"
    before = mark(library, path.name)
    assert imgret("note", path, "from the shop window").code == 0
    assert library.index().code == 0
    jpeg = path.read_bytes()
    comment = b"\xff\xfe" + (2 + 5).to_bytes(2, "big") + b"hello"  # a COM segment right after SOI
    path.write_bytes(jpeg[:2] + comment + jpeg[2:])

    again = library.index()
    assert again.code == 0
    assert "1 changed" in again.err
    after = library.content(path.name)
    assert after != before
    shown = library.shown(path.name)
    assert (shown["state"], shown["caption"]) == ("described", UNTOUCHED)  # copied, not made
    assert shown["note"] == "from the shop window"
    assert vectors(library, after) == vectors(library, before)


@pytest.mark.must_run
def test_a_photo_edited_in_place_keeps_its_note(library: Library) -> None:
    path = library.photos / "IMG_1.jpg"
    assert imgret("note", path, "Aunt Mary's favourite").code == 0
    draw(path, "green", "square", "black", seed=9)
    again = library.index()
    assert (again.code, "1 changed" in again.err) == (0, True)
    shown = library.shown(path.name)
    assert shown["note"] == "Aunt Mary's favourite"
    assert "green square" in shown["caption"]
    assert imgret("query", "mary").paths[0] == str(path)
    assert imgret("query", "a green square").paths[0] == str(path)


def test_a_note_is_found_at_once_by_its_words_and_after_the_next_run_by_its_meaning(library: Library) -> None:
    path = library.photos / "IMG_2.jpg"
    assert imgret("note", path, "xylophone lesson").code == 0
    found = imgret("query", "--json", "xylophone").objects
    assert found[0]["path"] == str(path)
    assert "xylophone" in " ".join(found[0]["why"])
    assert library.shown(path.name)["state"] == "pending"
    assert "1 described" in library.index().err
    assert library.shown(path.name)["state"] == "described"
    assert ("note",) in library.rows("SELECT view FROM vector WHERE content = ?", library.content(path.name))
    assert imgret("note", path, "--clear").code == 0
    assert library.index().code == 0
    assert ("note",) not in library.rows(
        "SELECT view FROM vector WHERE content = ?", library.content(path.name)
    )
    assert imgret("note", path).code == 1


def test_what_came_back_is_known(library: Library) -> None:
    path, away = library.photos / "IMG_3.png", library.home / "away.png"
    content = mark(library, path.name)
    path.rename(away)
    assert "1 gone" in library.index().err
    assert len(imgret("query", "--json", "a green triangle").objects) == 4
    away.rename(path)
    again = library.index()
    assert "1 moved or copied" in again.err
    assert "nothing to describe" in again.err
    assert library.content(path.name) == content


def test_a_photo_edited_during_a_slow_import_keeps_its_note(library: Library) -> None:
    path = library.photos / "IMG_1.jpg"
    command = [sys.executable, "-m", "imgret", "note", "--import", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as importing:
        assert importing.stdin is not None
        importing.stdin.write(json.dumps({"path": str(path), "note": "Aunt Mary's"}).encode() + b"\n")
        importing.stdin.flush()
        deadline = time.monotonic() + 60
        while fcntl.ioctl(importing.stdin, termios.FIONREAD, b"\0" * 4) != b"\0" * 4:  # not read yet
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.2)  # it looks the path up; if later than this, it finds the edit
        with Image.open(path) as image:
            image.rotate(180).save(library.photos / "new.png")
        (library.photos / "new.png").rename(path)
        assert library.index().code == 0
    assert importing.returncode == 0
    assert library.shown(path.name)["note"] == "Aunt Mary's"


def test_status_names_a_note_of_a_photo_that_was_replaced(library: Library) -> None:
    path = library.photos / "IMG_1.jpg"
    assert imgret("note", path, "Aunt Mary's\x1b[2J cat").code == 0
    (library.photos / "IMG_3.png").rename(library.photos / "away.png")
    draw(library.photos / "new.jpg", "green", "square", "black", seed=9)
    (library.photos / "new.jpg").rename(path)
    assert library.index().code == 0
    assert library.shown(path.name)["note"] is None
    (lost,) = library.status()["lost_notes"]
    assert (lost["path"], lost["note"]) == (str(path), "Aunt Mary's\x1b[2J cat")
    shown = imgret("status").out.decode()
    assert f"{path} is another photo" in shown
    assert "\x1b" not in shown
    assert "`imgret note --forget FILE`" in shown
    shown = imgret("note", path)
    assert (shown.code, shown.out, "replaced or deleted" in shown.err) == (1, b"", True)
    assert imgret("note", path, "mine").code == 0
    assert library.status()["lost_notes"] == []
    assert imgret("note", path, "--clear").code == 0
    assert len(library.status()["lost_notes"]) == 1
    assert imgret("note", "--forget", path).code == 0
    assert library.status()["lost_notes"] == []
    assert imgret("note", path).err == "no note\n"
    again = imgret("note", "--forget", path)
    assert (again.code, "no note of an earlier photo" in again.err) == (1, True)
    assert library.rows("SELECT count(*) FROM note WHERE text LIKE 'Aunt%'") == [
        (1,)
    ]  # for when it comes back


def test_an_empty_file_is_reported_and_restored_when_its_content_returns(library: Library) -> None:
    path = library.photos / "IMG_1.jpg"
    assert imgret("note", path, "kept").code == 0
    data = path.read_bytes()
    path.write_bytes(b"")
    assert library.index().code == 1
    shown = library.shown(path.name)
    assert (shown["state"], "is empty" in shown["reason"]) == ("failed", True)
    path.write_bytes(data)
    assert library.index().code == 0
    shown = library.shown(path.name)
    assert (shown["state"], shown["note"]) == ("described", "kept")
