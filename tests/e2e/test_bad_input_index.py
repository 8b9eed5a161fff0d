"""Configurations, index files and disks that cannot be used: a sentence, the right exit code, nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import WORDLLAMA, Library, draw, imgret, imgret_process


@pytest.fixture
def one(empty: Library) -> Library:
    """A library of one photo, indexed."""
    draw(empty.photos / "good.jpg", "red", "circle", "white")
    assert empty.index().code == 0
    return empty


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[caption]\nwights = 'none'\n", "line 2: unknown key 'caption.wights'\nDid you mean 'weights'?"),
        ("folder = ['~']\n", "line 1: unknown key 'folder'\nDid you mean 'folders'?"),
        ("max_megapixels = 'many'\n", "line 1: max_megapixels: Expected `int`, got `str`"),
        ("\n[caption]\nbeams = 99\n", "line 3: caption.beams must be between 1 and 16"),
        ("folders = [\n", "is not TOML"),
        ("exclude = '*.tmp'\n", "line 1: exclude: Expected `array`, got `str`"),
    ],
)
def test_a_wrong_configuration_is_reported_with_its_line(empty: Library, text: str, sentence: str) -> None:
    empty.config.write_text(text)
    for command in (["index", empty.photos], ["query", "x"], ["status"], ["show", "x"], ["doctor"]):
        done = imgret(*command)
        assert done.code == 2, command
        assert done.err.startswith(f"imgret: {empty.config}")
        assert sentence in done.err
        assert done.out == b""
    assert not empty.database.exists()


def test_a_configuration_that_is_not_utf8_or_a_folder_is_reported(empty: Library) -> None:
    empty.config.write_bytes(b"folders = ['caf\xe9']\n")
    done = imgret("status")
    assert (done.code, "is not UTF-8" in done.err) == (2, True)
    empty.config.unlink()
    empty.config.mkdir()
    done = imgret("status")
    assert (done.code, "cannot be read: Is a directory" in done.err) == (2, True)


def test_an_index_of_a_later_version_is_refused_and_left_alone(one: Library) -> None:
    one.write("PRAGMA user_version = 9999")
    before = one.database.read_bytes()
    for command in (
        ["index", one.photos],
        ["query", "good"],
        ["status"],
        ["note", one.photos / "good.jpg", "x"],
    ):
        done = imgret(*command)
        assert done.code == 3, command
        assert "has schema version 9999" in done.err
        assert "IMGRET_INDEX" in done.err
    assert one.database.read_bytes() == before


@pytest.mark.parametrize("what", ["another program's", "garbage", "empty text", "a folder"])
def test_a_file_that_is_no_index_is_refused_and_left_alone(empty: Library, what: str) -> None:
    if what == "another program's":
        with sqlite3.connect(empty.database) as db:
            db.execute("CREATE TABLE bookmark (url TEXT)")
        db.close()
    elif what == "garbage":
        empty.database.write_bytes(os.urandom(100_000))
    elif what == "empty text":
        empty.database.write_text("my diary\n" * 1000)
    else:
        empty.database.mkdir()
    before = empty.database.read_bytes() if empty.database.is_file() else b""
    for command in (["index", empty.photos], ["query", "good"], ["status"], ["export"]):
        done = imgret(*command)
        assert done.code == 3, command
        assert done.err.startswith(f"imgret: {empty.database}"), done.err
        assert len(done.err.splitlines()) == 2, done.err  # what happened, and what to do
    if empty.database.is_file():
        assert empty.database.read_bytes() == before


def test_a_damaged_index_is_reported_by_doctor_and_no_command_ends_with_a_traceback(one: Library) -> None:
    for number in range(40):
        draw(one.photos / f"more{number}.jpg", "blue", "circle", "white", seed=number)
    assert one.index().code == 0
    data = bytearray(one.database.read_bytes())
    for page in range(3, len(data) // 8192, 2):
        data[page * 8192 + 100 : page * 8192 + 2000] = b"\xff" * 1900
    one.database.write_bytes(data)
    for command in (["doctor"], ["index", one.photos], ["query", "good"], ["status"], ["export"]):
        done = imgret_process(*map(str, command))
        assert "Traceback" not in done.err, command
        assert done.code in (0, 1, 3)
    assert imgret("doctor").code == 3


def test_a_missing_index_is_reported_with_advice(empty: Library) -> None:
    for command in (
        ["query", "x"],
        ["export"],
        ["retry"],
        ["note", "x", "y"],
        ["backup", empty.home / "b.db"],
    ):
        done = imgret(*command)
        assert (done.code, "Run `imgret index FOLDER` first." in done.err) == (3, True), command
    assert imgret("status").code == 0
    assert imgret("doctor").code in (0, 3)
    assert not empty.database.exists()


@pytest.mark.must_run
def test_an_index_on_a_read_only_disk_is_searched_and_not_written(
    one: Library, mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = mounted("size=20m")
    shutil.copy(one.database, disk / "index.db")
    monkeypatch.setenv("IMGRET_INDEX", str(disk / "index.db"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert imgret("query", "good").paths == [str(one.photos / "good.jpg")]
    assert imgret("show", "--json", one.photos / "good.jpg").objects[0]["state"] == "described"
    assert imgret("status", "--json").objects[0]["photos"] == 1
    assert imgret("doctor").code == 0
    for command in (["index", one.photos], ["note", one.photos / "good.jpg", "x"], ["retry"]):
        done = imgret(*command)
        assert done.code == 3, command
        assert "cannot be written" in done.err
        assert "IMGRET_INDEX" in done.err
    copy = one.home / "copy.db"
    assert imgret("copy-index", disk / "index.db", copy).code == 0
    monkeypatch.setenv("IMGRET_INDEX", str(copy))
    assert imgret("query", "good").paths == [str(one.photos / "good.jpg")]


@pytest.mark.must_run
def test_places_that_cannot_be_written_are_reported(empty: Library, mounted: Callable[[str], Path]) -> None:
    draw(empty.photos / "good.jpg", "red", "circle", "white")
    disk = mounted("size=1m,ro")
    environ = {**os.environ, "XDG_STATE_HOME": str(disk / "state"), "XDG_CACHE_HOME": str(disk / "cache")}
    done = imgret_process("index", empty.photos, env=environ)
    assert "Traceback" not in done.err
    assert empty.shown("good.jpg")["state"] == "described"  # what we may lose and make again is not needed
    done = imgret_process("index", empty.photos, env=os.environ | {"IMGRET_INDEX": f"{disk}/index.db"})
    assert (done.code, "cannot be written" in done.err) == (3, True), done.err
    done = imgret_process("backup", str(disk / "copy.db"))
    assert (done.code, str(disk / "copy.db") in done.err) == (3, True), done.err
    done = imgret_process("add", empty.photos, env=os.environ | {"IMGRET_CONFIG": f"{disk}/config.toml"})
    assert (done.code, "cannot be written" in done.err) == (2, True), done.err


@pytest.mark.must_run
def test_a_full_disk_stops_with_a_sentence_and_it_continues_when_there_is_space(
    empty: Library, mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = mounted("size=24m")
    monkeypatch.setenv("IMGRET_INDEX", str(disk / "index.db"))
    empty.config.write_text("decode_workers = 1\nbatch = 8\n" + WORDLLAMA)
    for number in range(120):
        draw(empty.photos / f"{number}.png", "red", "circle", "white", seed=number)
    filler = disk / "filler"
    room = os.statvfs(disk)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize - 700_000))
    done = imgret_process("index", empty.photos)
    assert "Traceback" not in done.err
    assert done.code == 3, done.err
    assert f"the disk of {disk}/index.db is full" in done.err
    assert "Free some space on that disk" in done.err
    assert "run the same command again" in done.err
    filler.unlink()
    again = imgret_process("index", empty.photos)
    assert again.code == 0, again.err
    assert imgret("status", "--json").objects[0]["described"] == 120
    doctor = imgret("doctor")
    assert doctor.code == 0, doctor.out


@pytest.mark.must_run
def test_a_full_disk_refuses_notes_and_tags_and_promises_nothing(
    one: Library, mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, photo = mounted("size=8m"), one.photos / "good.jpg"
    shutil.copy(one.database, disk / "index.db")
    monkeypatch.setenv("IMGRET_INDEX", str(disk / "index.db"))
    commands = (["tag", photo, "sea"], ["rate", photo, "5"], ["note", photo, "a " * 20_000])
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    for command in commands:
        done = imgret(*command)
        assert (done.code, f"the disk of {disk}/index.db is full" in done.err) == (3, True), done.err
        assert "Free some space on that disk and run the same command again." in done.err
        assert "continues" not in done.err
    (disk / "filler").unlink()
    assert [imgret(name, photo).code for name in ("tag", "rate", "note")] == [1, 1, 1]  # nothing was saved
    for command in commands:
        assert imgret(*command).code == 0
    assert imgret("tag", photo).out == b"sea\n"
