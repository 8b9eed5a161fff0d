"""The program on a pseudo-terminal: kinds of terminals, redirections, and ways to end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgret.config import load
from imgret.store.factory import open_store
from imgret.sync import sync
from testbed.fake_terminal import PLACEHOLDER, FakeTerminal

PROGRAM = [sys.executable, "-m", "imgret_tui"]
DOWN, ENTER, TAB, GRID, HELP = "\x1b[B", "\r", "\t", "\x0f", "\x1bOP"
Start = Callable[..., FakeTerminal]


@pytest.fixture
def start(demo: Any, tmp_path: Path) -> Start:
    """A terminal with the program on it, searching by words: no model is loaded."""
    config = tmp_path / "words.toml"
    config.write_text(
        '[place]\nweights = "none"\n[ocr]\nweights = "none"\n[image]\nweights = "none"\n[caption]\nweights = "none"\n[embed]\nweights = "none"\n'
    )

    def started(*arguments: str, **how: Any) -> FakeTerminal:
        environ = {**os.environ, "IMGRET_CONFIG": str(config), **how.pop("more", {})}
        return FakeTerminal([*how.pop("program", PROGRAM), *arguments], environ=environ, **how)

    return started


def sent_path(terminal: FakeTerminal) -> bytes:
    """What follows the end of the alternate screen: what the shell would read."""
    return terminal.output.rpartition(b"\x1b[?1006l")[2].replace(b"\r\n", b"\n")


@pytest.mark.parametrize("files", [True, False])
def test_kitty_gets_every_image_once_and_has_none_at_the_end(start: Start, files: bool) -> None:
    with start("red", "-m", kind="kitty") as terminal:
        terminal.files = files
        terminal.wait(lambda: b"\x1b_Ga=p," in terminal.output)
        terminal.until_quiet(1.5)
        assert PLACEHOLDER in terminal.output
        first = terminal.sent
        assert first >= 4
        assert len(terminal.images) == first
        here = len(terminal.output)
        for key in (DOWN, DOWN, "\x1b[A", "\x1b[A"):
            terminal.type(key)
            terminal.until_quiet(0.3)
        assert terminal.sent <= first + 2  # two new previews; coming back sends nothing
        if files:
            assert len(terminal.output) - here < 4 * 8192
        terminal.type(TAB + TAB + ENTER)
        assert terminal.ended() == 0
        assert terminal.images == set()
        assert sent_path(terminal).count(b".") >= 2
        assert not [name for name in os.listdir("/dev/shm") if f"-{terminal.process.pid}-" in name]


def test_images_of_changed_files_are_freed_in_kitty(start: Start, demo: Any) -> None:
    times = {path: path.stat() for path in demo.pictures.iterdir()}
    with start("red", kind="kitty") as terminal:
        terminal.wait(lambda: b"\x1b_Ga=p," in terminal.output)
        terminal.until_quiet(1.5)
        first = terminal.sent
        try:
            for path in times:
                os.utime(path)
            terminal.wait(lambda: terminal.sent >= 2 * first)
            terminal.until_quiet(1.5)
            assert terminal.sent == 2 * first
            assert len(terminal.images) == first
        finally:
            for path, known in times.items():
                os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
        terminal.type("\x1b")
        assert terminal.ended() == 130
        assert terminal.images == set()


def test_the_help_removes_the_image_that_kitty_has_placed(start: Start) -> None:
    with start("red", kind="kitty") as terminal:
        terminal.wait(lambda: b"\x1b_Ga=p," in terminal.output)
        terminal.until_quiet()
        terminal.type(HELP)
        terminal.until("Choose")
        assert terminal.output.rfind(b"\x1b_Ga=d,d=i,") > terminal.output.rfind(b"\x1b_Ga=p,")
        terminal.type("\x1b")
        terminal.wait(lambda: terminal.output.rfind(b"\x1b_Ga=p,") > terminal.output.rfind(b"\x1b_Ga=d,d=i,"))


@pytest.mark.parametrize("kind", ["plain", "silent", "garbage"])
def test_any_other_terminal_gets_half_blocks(start: Start, kind: str) -> None:
    with start("red", kind=kind) as terminal:
        terminal.until("why")
        terminal.wait(lambda: "▀".encode() in terminal.output)
        assert terminal.sent == 0
        assert terminal.sixels() == []
        assert b";;t" not in terminal.text()  # garbage is not typed into the query
        terminal.type(ENTER)
        assert terminal.ended() == 0


def test_late_responses_of_the_terminal_do_not_reach_the_query(start: Start) -> None:
    with start("red", kind="kitty", reply_after=1.7) as terminal:
        terminal.until("why")
        terminal.pump(2.5)
        terminal.type("X")
        terminal.until_quiet()
        line = terminal.text()
        assert b"kitty(" not in line
        assert b"OK" not in line.replace(b"LOOK", b"")
        terminal.type("\x7f" + ENTER)
        assert terminal.ended() == 0


def test_enter_before_the_first_results_waits_for_them(start: Start) -> None:
    with start(kind="kitty", type_first=b"a red circle\n") as terminal:
        assert terminal.ended(30) == 0
        assert b".jpg" in sent_path(terminal) or b".png" in sent_path(terminal)


def test_keys_typed_before_the_first_screen_are_kept(start: Start) -> None:
    with start(kind="kitty", type_first=b"red cir") as terminal:
        terminal.type("cle")
        terminal.until("red circle")
        terminal.until("why")
        terminal.type(ENTER)
        assert terminal.ended() == 0


@pytest.mark.parametrize(
    "redirections", ["> out", "> out 2> err", "< /dev/null > out", "> out 2>&-", "< /dev/null > out 2> err"]
)
def test_it_draws_on_the_terminal_and_prints_to_its_stdout(
    start: Start, redirections: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with start("red", kind="plain", shell=redirections) as terminal:
        terminal.until("why")
        terminal.type(DOWN + ENTER)
        assert terminal.ended() == 0
    chosen = (tmp_path / "out").read_bytes()
    assert chosen.endswith(b"\n")
    assert os.path.isfile(chosen[:-1])
    if "2> err" in redirections:
        assert (tmp_path / "err").read_bytes() == b""


def test_it_works_in_a_pipe(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with start("red", "-m", "-0", kind="kitty", shell="| xargs -0 -n1 basename > out") as terminal:
        terminal.until("why")
        terminal.type(TAB + TAB + ENTER)
        terminal.ended()
    assert len((tmp_path / "out").read_text().split()) == 2


def test_a_reader_that_has_ended_is_no_error(start: Start) -> None:
    with start("red", kind="plain", shell="| true; exit ${PIPESTATUS:-0}") as terminal:
        terminal.until("why")
        terminal.type(ENTER)
        terminal.ended()
        assert b"BrokenPipe" not in terminal.output


def test_a_full_disk_behind_its_output_is_reported(start: Start) -> None:
    with start("red", kind="plain", shell="> /dev/full") as terminal:
        terminal.until("why")
        terminal.type(ENTER)
        assert terminal.ended() == 2
        assert b"the output cannot be written: No space left on device" in terminal.output
        assert b"Traceback" not in terminal.output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_restores_the_terminal(start: Start, number: int, code: int) -> None:
    with start("red", kind="kitty") as terminal:
        terminal.until("why")
        terminal.wait(lambda: len(terminal.images) > 2)
        terminal.signal(number)
        assert terminal.ended() == code
        assert terminal.images == set()
        assert terminal.output.rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h")
        assert b"\x1b[<u" in terminal.output


@pytest.mark.parametrize(
    "broken",
    [
        "imgret_tui.widgets.photo_details.details_rows",
        "imgret_tui.index_backend.IndexBackend.details",
        "imgret_tui.terminal_images.render_image",
    ],
)
def test_a_crash_restores_the_terminal_and_prints_the_traceback(
    start: Start, broken: str, tmp_path: Path
) -> None:
    """Wherever the program breaks, in the app or on a thread, once pictures are in the terminal."""
    place, _, name = broken.rpartition(".")
    program = f"""
import os, pkgutil, sys
place = pkgutil.resolve_name({place!r})
whole = place.{name}
def breaks(*arguments, **named):
    if os.path.exists({str(tmp_path / "now")!r}):
        raise ZeroDivisionError("a mistake of ours")
    return whole(*arguments, **named)
place.{name} = breaks
from imgret_tui.__main__ import main
sys.exit(main())
"""
    with start("red", kind="kitty", program=[sys.executable, "-c", program]) as terminal:
        terminal.wait(lambda: len(terminal.images) > 2)
        (tmp_path / "now").touch()
        terminal.type(DOWN)  # another photo to be found and shown
        assert terminal.ended() == 2  # as fzf ends after an error
        assert terminal.images == set()
        left = terminal.output.rfind(b"\x1b[?1049l")
        assert left > terminal.output.rfind(b"\x1b[?1049h")
        assert b"ZeroDivisionError" in terminal.output[left:]
        assert b"\x1b[<u" in terminal.output


def test_a_window_that_is_closed_ends_the_program(start: Start) -> None:
    with start("red", kind="kitty") as terminal:
        terminal.until("why")
        terminal.hang_up()
        end = time.monotonic() + 10
        while terminal.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        assert terminal.process.returncode in (129, -signal.SIGHUP)


def test_without_a_terminal_it_reports_so(demo: Any) -> None:
    ended = subprocess.run(PROGRAM, capture_output=True, start_new_session=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert b"no terminal" in ended.stderr
    assert ended.stdout == b""


def test_many_resizes_of_a_terminal(start: Start) -> None:
    with start("red", kind="kitty") as terminal:
        terminal.until("why")
        for step in range(40):
            terminal.resize(1 + step * 5 % 140, 1 + step * 3 % 50)
            terminal.pump(0.01)
        terminal.resize(120, 36)
        terminal.until_quiet()
        assert terminal.process.poll() is None
        terminal.type(ENTER)
        assert terminal.ended() == 0
        assert terminal.images == set()


HOSTILE = [
    b"\x1b[2Jcleared.jpg",
    b"\x1b]52;c;aGk=\x07.jpg",
    b"[/] [bold]red.jpg",  # in a folder named [
    "\u202egpj.live\u2066.jpg".encode(),
    b"\xff\xfe not utf8.jpg",
    b"new\nline.jpg",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_cannot_control_the_terminal_and_is_printed_unchanged(
    start: Start, demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    folder = tmp_path / "hostile"
    path = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(path))
    shutil.copy(os.fsencode(demo.pictures / "IMG_0001.jpg"), path)
    with open(path, "ab") as file:
        file.write(b"another content")
    with open_store(demo.index) as store:
        sync(store, load(demo.config), store.roots.add(os.fsencode(folder)))
        photo = store.photos.find(path)
        assert photo is not None
        assert photo.content is not None
        store.results.write_note(photo.content, "zzz \x1b]52;c;aGk=\x07 \x9b2J [/]")
    monkeypatch.chdir(tmp_path)
    with start("zzz", "-0", kind="kitty", shell="> out") as terminal:
        terminal.until("hit")
        terminal.until("zzz \N{REPLACEMENT CHARACTER}]52")
        for _ in range(3):  # the grid, the full-screen photo, the list again
            terminal.type(GRID)
            terminal.until_quiet()
        terminal.type("\x1bn")  # and the note's own screen
        terminal.until("Note about")
        terminal.type("\x1b")
        terminal.until_quiet()
        assert b"\x1b]52" not in terminal.output
        assert b"\x1b[2J" not in terminal.output.replace(b"\x1b[2J\x1b[H", b"", 1)
        assert "\u202e".encode() not in terminal.output
        assert "\x9b".encode() not in terminal.output
        terminal.type(ENTER)
        assert terminal.ended() == 0
    assert (tmp_path / "out").read_bytes() == path + b"\0"


def test_help_and_version_need_no_terminal() -> None:
    output = subprocess.run(
        [*PROGRAM, "--help"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert "--multi" in output
    assert "exit codes: 0 chosen, 1 nothing matched, 2 an error, 130" in output
    assert subprocess.run([*PROGRAM, "--version"], capture_output=True, timeout=30, check=True).stdout
    wrong = subprocess.run([*PROGRAM, "--graphics=ascii"], capture_output=True, timeout=30, check=False)
    assert wrong.returncode == 2


@pytest.mark.parametrize("graphics", ["none", "blocks", "sixel"])
def test_the_graphics_option_overrides_what_the_terminal_can_do(start: Start, graphics: str) -> None:
    with start("red", f"--graphics={graphics}", kind="kitty") as terminal:
        terminal.until("why")
        if graphics == "none":
            terminal.until_quiet(2)
            assert "▀".encode() not in terminal.output
        elif graphics == "blocks":
            terminal.until("▀")
        else:
            terminal.wait(lambda: len(terminal.sixels()) > 2)  # the preview and thumbnails
        assert terminal.sent == 0
        assert bool(terminal.sixels()) == (graphics == "sixel")
