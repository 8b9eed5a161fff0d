"""Queries to a terminal over a real pty: prompt, late and missing replies, garbage, and keys that were typed before."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.terminal.fit import Cell
from imgret.terminal.probe import (
    DEFAULT_CELL,
    Capabilities,
    Graphics,
    Replies,
    TerminalQuery,
    choose_capabilities,
    queries,
    read_replies,
    split_replies,
    tmux_client,
)

KITTY = b"\x1bP>|kitty(0.41.1)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[4;850;960t\x1b[6;17;8t\x1b[8;50;120t\x1b[?62;c"
XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[4;680;960t\x1b[6;17;8t\x1b[8;40;120t\x1b[?1;0;256S\x1b[?64;1;2;4;22c"
KONSOLE = b"\x1bP>|Konsole 24.02\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;1;4c"
ENVIRON = {"TERM": "xterm-256color"}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Yield the two ends of a pty: the terminal's and the program's."""
    master, slave = pty.openpty()
    yield master, slave
    for end in (master, slave):
        os.close(end)


def run_query(
    terminal: tuple[int, int], answer: Callable[[int], None], seconds: float = 1.0
) -> tuple[Capabilities, bytes]:
    master, slave = terminal
    thread = threading.Thread(target=answer, args=(master,))
    with TerminalQuery(slave, ENVIRON) as query:
        thread.start()
        try:
            return query.capabilities(seconds=seconds)
        finally:
            thread.join()


def read_queries(master: int) -> None:
    received = b""
    while not received.endswith(b"\x1b[c"):
        received += os.read(master, 4096)


def replying(*parts: bytes, pause: float = 0.0) -> Callable[[int], None]:
    def reply(master: int) -> None:
        read_queries(master)
        for part in parts:
            os.write(master, part)
            time.sleep(pause)

    return reply


def test_kitty_and_its_cell_size_are_detected(terminal: tuple[int, int]) -> None:
    capabilities, typed = run_query(terminal, replying(KITTY))
    assert capabilities == Capabilities(Graphics.KITTY, Cell(8, 17))
    assert typed == b""


def test_sixel_and_its_colours_are_detected(terminal: tuple[int, int]) -> None:
    capabilities, _ = run_query(terminal, replying(XTERM))
    assert capabilities == Capabilities(Graphics.SIXEL, Cell(8, 17), colours=256, many_sixels=False)


@pytest.mark.parametrize("end", [b"\x1b\\", b"\x07"])
def test_a_light_background_is_detected(terminal: tuple[int, int], end: bytes) -> None:
    capabilities, typed = run_query(terminal, replying(b"\x1b]11;rgb:fa", b"fa/fafa/f0f0", end + XTERM))
    assert capabilities.is_light
    assert typed == b""


def test_a_background_is_light_or_dark() -> None:
    def is_light(colour: str) -> bool:
        return choose_capabilities(read_replies(f"\x1b]11;{colour}\x07".encode())).is_light

    assert all(map(is_light, ["rgb:ffff/ffff/ffff", "rgb:f/f/c", "rgba:fd/f6/e3/ff"]))
    assert not any(map(is_light, ["rgb:1414/1616/1b1b", "rgb:0000/0000/ffff", "#ffffff", "rgb:", ""]))


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_a_colour_and_its_complement_are_not_both_light(red: int, green: int, blue: int) -> None:
    colours = [(red, green, blue), (255 - red, 255 - green, 255 - blue)]
    names = [f"rgb:{r:02x}/{g:02x}/{b:02x}" for r, g, b in colours]
    assert sum(choose_capabilities(Replies(background=name)).is_light for name in names) < 2


def test_keys_typed_between_replies_are_returned_in_order(terminal: tuple[int, int]) -> None:
    capabilities, typed = run_query(
        terminal, replying(b"tw", KITTY[:9], KITTY[9:19], "o ☃".encode(), KITTY[19:])
    )
    assert capabilities.graphics is Graphics.KITTY
    assert typed == "two ☃".encode()


def test_keys_typed_before_the_queries_are_kept(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    os.write(master, b"early")
    time.sleep(0.05)
    with TerminalQuery(slave, ENVIRON) as query:
        replying(XTERM)(master)
        assert query.capabilities()[1] == b"early"


def test_a_terminal_that_never_replies_gets_blocks_after_the_deadline(terminal: tuple[int, int]) -> None:
    began = time.monotonic()
    capabilities, typed = run_query(terminal, replying(b"typed"), seconds=0.3)
    assert 0.25 < time.monotonic() - began < 20
    assert capabilities == Capabilities(Graphics.BLOCKS, DEFAULT_CELL)
    assert typed == b"typed"


def test_a_reply_that_is_incomplete_at_the_deadline_is_returned(terminal: tuple[int, int]) -> None:
    _, typed = run_query(terminal, replying(b"a\x1b[?6"), seconds=0.2)
    _, rest, unfinished = split_replies(typed + b"2;4c" + b"b")
    assert (rest, unfinished) == (b"ab", b"")


def test_the_settings_of_the_terminal_are_restored(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])
    run_query(terminal, replying(XTERM))
    assert termios.tcgetattr(terminal[1]) == before


def test_replies_do_not_reach_the_shell_after_an_early_end(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    thread = threading.Thread(target=replying(XTERM, pause=0.1), args=(master,))
    with pytest.raises(ValueError, match="a wrong option"), TerminalQuery(slave, ENVIRON):
        thread.start()
        raise ValueError("a wrong option")
    thread.join()
    assert select.select([slave], [], [], 0.3)[0] == []


def test_a_dumb_terminal_is_not_queried(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    with TerminalQuery(slave, {"TERM": "dumb"}) as query:
        capabilities, typed = query.capabilities()
    os.write(slave, b"!")
    assert os.read(master, 4096) == b"!"
    assert capabilities.graphics is Graphics.BLOCKS
    assert typed == b""


def test_the_file_of_the_query_is_removed(terminal: tuple[int, int]) -> None:
    before = set(os.listdir("/dev/shm"))
    run_query(terminal, replying(XTERM))
    assert not [name for name in set(os.listdir("/dev/shm")) - before if "imgret" in name]


@given(st.binary(max_size=200))
def test_garbage_never_raises_and_loses_no_other_bytes(garbage: bytes) -> None:
    read_replies(garbage)
    found, rest, unfinished = split_replies(garbage)
    assert len(rest) + len(unfinished) + sum(len(match[0]) for match in found) == len(garbage)


@given(st.lists(st.text("abcdefgh é☃", min_size=0, max_size=5), min_size=7, max_size=7))
def test_typed_keys_are_separated_from_replies_at_any_position(typed: list[str]) -> None:
    answers = re.findall(rb"\x1b(?:[P_].*?\x1b\\|\[[?\d;]*[a-zA-Z])", KITTY)
    mixed = b"".join(key.encode() + answer for key, answer in zip(typed, [*answers, b"", b""], strict=False))
    assert split_replies(mixed)[1] == "".join(typed[: len(answers) + 2]).encode()
    assert read_replies(mixed) == read_replies(KITTY)


@pytest.mark.parametrize(
    ("replies", "tmux", "graphics"),
    [
        (read_replies(KITTY), "", Graphics.KITTY),
        (
            read_replies(KITTY.replace(b"0.41.1", b"0.26.5")),
            "",
            Graphics.BLOCKS,
        ),  # replies OK but shows boxes
        (read_replies(KITTY.replace(b"kitty(0.41.1)", b"ghostty 1.1.3")), "", Graphics.KITTY),
        (read_replies(KONSOLE), "", Graphics.SIXEL),  # replies OK but shows nothing
        (Replies(attributes=(62, 22)), "", Graphics.BLOCKS),
        (Replies(), "", Graphics.BLOCKS),
        (Replies(name="tmux 3.5a", attributes=(1, 2)), "kitty(0.41.1) RGB,clipboard on", Graphics.KITTY),
        (Replies(name="tmux 3.5a", attributes=(1, 2)), "kitty(0.41.1) RGB off", Graphics.BLOCKS),
        (Replies(name="tmux 3.5a", attributes=(1, 2, 4)), "XTerm(379) sixel off", Graphics.SIXEL),
        (Replies(name="tmux 3.3a", attributes=(1, 2)), "unknown off", Graphics.BLOCKS),
    ],
)
def test_choose_capabilities(replies: Replies, tmux: str, graphics: Graphics) -> None:
    assert choose_capabilities(replies, tmux=tmux).graphics is graphics


@pytest.mark.parametrize("wish", [Graphics.KITTY, Graphics.SIXEL, Graphics.BLOCKS, Graphics.NONE])
def test_a_requested_mode_is_used_without_detection(wish: Graphics) -> None:
    assert choose_capabilities(Replies(), wish).graphics is wish


def test_the_cell_size_is_from_the_best_reply_and_plausible() -> None:
    assert choose_capabilities(Replies(cell=(9, 18), window=(1, 1))).cell == Cell(9, 18)
    assert choose_capabilities(Replies(window=(800, 500)), window_size=(80, 25, 0, 0)).cell == Cell(10, 20)
    assert choose_capabilities(Replies(window=(800, 500), screen=(80, 25))).cell == Cell(10, 20)
    assert choose_capabilities(Replies(), window_size=(80, 25, 640, 400)).cell == Cell(8, 16)
    assert choose_capabilities(Replies(cell=(0, 0)), window_size=(80, 25, 1, 1)).cell == DEFAULT_CELL
    assert choose_capabilities(Replies(cell=(99999, 99999))).cell == DEFAULT_CELL


def test_the_number_of_colours_is_limited_to_what_sixel_supports() -> None:
    assert [choose_capabilities(Replies(registers=n)).colours for n in (None, 0, 16, 1024)] == [
        256,
        256,
        16,
        256,
    ]


def test_the_last_query_is_the_one_that_every_terminal_replies_to() -> None:
    assert queries().endswith("\x1b[c")
    assert "\x1b_" in queries()
    assert "\x1b_" not in queries("\x1b_Gfile", tmux=True)


@pytest.mark.parametrize("kind", ["tmux-256color", "screen.xterm-256color"])
def test_tmux_on_another_host_gets_no_image_query(terminal: tuple[int, int], kind: str) -> None:
    master, slave = terminal
    with TerminalQuery(slave, {"TERM": kind}) as query:
        sent = os.read(master, 4096)
        os.write(master, b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2;4c")
        capabilities, _ = query.capabilities()
    assert b"\x1b_" not in sent
    assert sent.endswith(b"\x1b[c")
    assert capabilities.graphics is Graphics.SIXEL


def test_outside_tmux_no_client_is_queried() -> None:
    assert tmux_client({}) == ""


IN_TMUX = """
import os, sys
from imgret.terminal.probe import TerminalQuery
with TerminalQuery(os.open("/dev/tty", os.O_RDWR)) as query:
    capabilities, typed = query.capabilities()
with open(sys.argv[1] + ".part", "w") as file:
    print(capabilities.graphics, capabilities.tmux, typed, file=file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
input()
"""


@pytest.mark.must_run
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_real_tmux_does_not_use_the_query_as_its_title(tmp_path: Path) -> None:
    def tmux(*arguments: str) -> str:
        command = ["tmux", "-S", str(tmp_path / "server"), "-f", os.devnull, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    report = tmp_path / "report"
    tmux("new-session", "-d", "-x", "80", "-y", "24", sys.executable, "-c", IN_TMUX, str(report))
    try:
        before = tmux("display", "-p", "#{host}")
        end = time.monotonic() + 30
        while not report.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert report.read_text().split() == [
            "blocks",
            "True",
            "b''",
        ]  # no client is attached to this session
        assert tmux("display", "-p", "#{pane_title}") == before
    finally:
        tmux("kill-server")


def test_a_tmux_that_has_exited_counts_as_one_without_images(tmp_path: Path) -> None:
    assert tmux_client({"TMUX": str(tmp_path / "none,1,0")}) == "unknown off"
