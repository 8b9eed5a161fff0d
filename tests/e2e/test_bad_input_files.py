"""Invalid files and names: each fails alone and is reported by its name."""

from __future__ import annotations

import os
import pty
import select
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from command_line import Library, draw, imgret, imgret_process

ESCAPES = b"\x1b]52;c;aGFja2Vk\x07\x1b[31m"  # into the clipboard, and red
NAMES = {
    "not UTF-8": b"caf\xe9.png",
    "a newline": b"two\nlines.png",
    "escape sequences": b"evil" + ESCAPES + b".png",
    "markup, with its folder": b"[bold]x[/].png",
    "spaces and quotes": b" a 'b\" $(touch x) .png",
    "an option": b"--json.png",
}


# root may read everything: then the command runs without the two capabilities for it
WITHOUT_PRIVILEGES = (
    "import ctypes, os\nfor capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH\n"
    "    os.geteuid() or ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP"
)


def bomb(side: int) -> bytes:
    """A small PNG of `side` x `side` black pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def on_terminal(*arguments: str | Path) -> tuple[int, bytes]:
    """(exit code, everything shown) of a command whose stdout and stderr are a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "imgret", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env=os.environ | {"TERM": "xterm-256color", "NO_COLOR": "1"},
        start_new_session=True,
    )
    os.close(child)
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline and select.select([parent], [], [], 60)[0]:
        try:
            some = os.read(parent, 65536)
        except OSError:  # EIO: the other end is closed
            break
        shown += some
    os.close(parent)
    return process.wait(20), shown


@pytest.fixture
def hostile(empty: Library) -> Library:
    """Two good pictures among files that are none."""
    photos = empty.photos
    draw(photos / "good.jpg", "red", "circle", "white")
    draw(photos / "last.png", "blue", "square", "black")
    whole = (photos / "good.jpg").read_bytes()
    (photos / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "zero.jpg").touch()
    (photos / "text.jpg").write_text("Dear diary, this is no picture.")
    (photos / "bomb.png").write_bytes(bomb(13000))
    os.mkfifo(photos / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(photos / "socket.jpg"))
    (photos / "loop").symlink_to(photos)
    (photos / "self.jpg").symlink_to("self.jpg")
    (photos / "link.jpg").symlink_to("good.jpg")
    (photos / "folder.jpg").mkdir()
    return empty


@pytest.mark.must_run
def test_bad_files_fail_alone(hostile: Library) -> None:
    assert (hostile.photos / "bomb.png").stat().st_size < 30_000
    done = hostile.index()
    assert done.code == 1
    for name in ("truncated.jpg", "zero.jpg", "text.jpg"):
        assert done.err.count(str(hostile.photos / name)) == 1, done.err
        shown = hostile.shown(name)
        assert shown["state"] == "failed"
        assert shown["reason"]
    assert hostile.shown("good.jpg")["state"] == hostile.shown("last.png")["state"] == "described"
    status = hostile.status()
    assert status["photos"] == 6
    assert {Path(failure["path"]).name for failure in status["failures"]} >= {
        "truncated.jpg", "zero.jpg", "text.jpg",
    }  # fmt: skip
    for name in ("fifo.jpg", "socket.jpg", "link.jpg", "self.jpg", "folder.jpg"):
        shown = hostile.shown(name)
        assert (shown["state"], bool(shown["reason"])) == ("excluded", True), name
    assert imgret("query", "good").paths[0] == str(hostile.photos / "good.jpg")


def test_a_large_image_in_a_small_file_is_described_or_refused_by_name(hostile: Library) -> None:
    hostile.index()
    big = hostile.shown("bomb.png")  # 169 megapixels: within the limit of 200, beyond one of 100
    assert big["state"] in ("described", "failed")
    hostile.config.write_text("max_megapixels = 100\n" + hostile.config.read_text())
    hostile.database.unlink()
    done = hostile.index()
    assert done.code == 1
    assert "bomb.png" in done.err
    assert "max_megapixels" in hostile.shown("bomb.png")["reason"]


def test_what_failed_is_retried_on_request_only(hostile: Library) -> None:
    hostile.index()
    again = hostile.index()
    assert (again.code, "nothing to describe now: 3 failed" in again.err) == (1, True)
    assert "up to date" not in again.err
    reason = hostile.shown("truncated.jpg")["reason"]
    assert "try 1 of 5" in reason
    draw(hostile.photos / "truncated.jpg", "green", "triangle", "white")  # mended
    retried = imgret("retry")
    assert (retried.code, "to be tried again" in retried.err) == (0, True)
    assert hostile.index().code == 1  # the others are as broken as before
    assert hostile.shown("truncated.jpg")["state"] == "described"
    assert (
        "try 2 of 5" in hostile.shown("zero.jpg")["reason"]
        or "try 1 of 5" in hostile.shown("zero.jpg")["reason"]
    )


@pytest.mark.must_run
def test_names_of_any_bytes_are_found_shown_and_never_reach_a_terminal(empty: Library) -> None:
    for number, name in enumerate(NAMES.values()):
        path = Path(os.fsdecode(os.path.join(os.fsencode(empty.photos), name)))
        path.parent.mkdir(exist_ok=True)
        draw(path, "red", "circle", "white", seed=number)
    assert empty.index().code == 0

    found = imgret("query", "--all", "-0", "--min", "weak", "png", "photos")
    above = os.fsencode(empty.photos) + b"/"
    assert {path.removeprefix(above) for path in found.out.split(b"\0") if path} == set(NAMES.values())
    exported = imgret("export").objects
    assert len(exported) == len(NAMES)
    assert sum("path_bytes" in line for line in exported) == 1
    for name in NAMES.values():
        path = os.path.join(os.fsencode(empty.photos), name)
        shown = imgret_process("show", "--json", path)
        assert (shown.code, shown.objects[0]["state"]) == (0, "described")
        assert imgret_process("note", path, "a note with \x1b[31m red").code == 0
    for command in (["query", "photos"], ["status"], ["export"], ["index", empty.photos], ["folders"]):
        _, screen = on_terminal(*command)
        assert screen
        assert b"\x1b]52" not in screen
        assert b"\x1b[31m" not in screen
        assert b"Traceback" not in screen
    for name in NAMES.values():
        path = os.path.join(os.fsencode(empty.photos), name)
        _, screen = on_terminal("show", Path(os.fsdecode(path)))
        assert b"\x1b" not in screen


def test_a_bad_name_is_reported_without_its_escapes(empty: Library) -> None:
    for name in NAMES.values():
        path = Path(os.fsdecode(os.path.join(os.fsencode(empty.photos), name)))
        path.parent.mkdir(exist_ok=True)
        path.write_text("no picture")
    done = empty.index()
    assert done.code == 1
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
    assert done.err.count("no picture") + done.err.count("not a picture") + done.err.count(".png") >= len(
        NAMES
    )
    _, screen = on_terminal("status")
    assert b"\x1b" not in screen


@pytest.mark.must_run
def test_an_unreadable_folder_and_file_are_reported_and_the_rest_is_indexed(empty: Library) -> None:
    draw(empty.photos / "good.jpg", "red", "circle", "white")
    draw(empty.photos / "secret.jpg", "blue", "circle", "white")
    (empty.photos / "closed").mkdir()
    draw(empty.photos / "closed" / "hidden.jpg", "green", "circle", "white")
    (empty.photos / "secret.jpg").chmod(0)
    (empty.photos / "closed").chmod(0)
    try:
        done = imgret_process("index", empty.photos, before=WITHOUT_PRIVILEGES)
        assert done.code == 1, done.err
        assert "Traceback" not in done.err
        assert f"{empty.photos}/closed cannot be listed: Permission denied" in done.err
        assert (
            f"{empty.photos}/secret.jpg cannot be read: permission denied. Give yourself the right"
            in done.err
        )
        assert empty.shown("good.jpg")["state"] == "described"
        assert empty.shown("secret.jpg")["state"] == "failed"
    finally:
        (empty.photos / "closed").chmod(0o700)


def test_a_folder_that_is_closed_later_keeps_its_photos(empty: Library) -> None:
    (empty.photos / "sub").mkdir()
    draw(empty.photos / "sub" / "one.jpg", "red", "circle", "white")
    draw(empty.photos / "two.jpg", "blue", "circle", "white")
    assert empty.index().code == 0
    (empty.photos / "sub").rename(empty.home / "away")
    (empty.photos / "sub").symlink_to("sub")  # a loop where the folder was: what lay there is gone, not lost
    assert empty.index().code == 0
    assert empty.status()["photos"] == 1
    (empty.photos / "sub").unlink()
    (empty.home / "away").rename(empty.photos / "sub")
    again = empty.index()
    assert "1 moved or copied" in again.err
    assert "nothing to describe" in again.err


def test_a_missing_folder_is_reported_by_name(empty: Library) -> None:
    done = imgret("index", empty.home / "nowhere")
    assert (done.code, done.err) == (
        2,
        f"imgret: {empty.home}/nowhere does not exist\nName an existing folder.\n",
    )
    assert imgret("index", empty.config).code == 2
    assert imgret("index").code == 2


def test_a_folder_whose_disk_went_away_stays_searchable(empty: Library) -> None:
    draw(empty.photos / "good.jpg", "red", "circle", "white")
    assert empty.index().code == 0
    empty.photos.rename(empty.home / "away")
    empty.photos.mkdir()
    done = empty.index()
    assert done.code == 1
    assert "offline" in done.err
    hit = imgret("query", "--json", "good").objects[0]
    assert hit["online"] is False
    assert empty.shown("good.jpg")["state"] == "offline"
    status = empty.status()
    assert (status["photos"], status["offline"]) == (1, 1)
    empty.photos.rmdir()
    (empty.home / "away").rename(empty.photos)
    assert "nothing changed" in empty.index().err
    assert empty.shown("good.jpg")["state"] == "described"
