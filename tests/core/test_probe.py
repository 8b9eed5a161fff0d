"""Questions to a terminal over a real pty: answered, late, never, with garbage, and with keys typed ahead."""

import os
import pty
import re
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
    Answers,
    Capabilities,
    Conversation,
    Graphics,
    judge,
    question,
    read_answers,
    split_answers,
    tmux_client,
)

KITTY = b"\x1bP>|kitty(0.41.1)\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[4;850;960t\x1b[6;17;8t\x1b[8;50;120t\x1b[?62;c"
XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[4;680;960t\x1b[6;17;8t\x1b[8;40;120t\x1b[?1;0;256S\x1b[?64;1;2;4;22c"
KONSOLE = b"\x1bP>|Konsole 24.02\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;1;4c"
ENVIRON = {"TERM": "xterm-256color"}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a pty: ours, and the program's."""
    master, slave = pty.openpty()
    yield master, slave
    for end in (master, slave):
        os.close(end)


def asked(
    terminal: tuple[int, int], answer: Callable[[int], None], seconds: float = 1.0
) -> tuple[Capabilities, bytes]:
    master, slave = terminal
    thread = threading.Thread(target=answer, args=(master,))
    with Conversation(slave, ENVIRON) as conversation:
        thread.start()
        try:
            return conversation.answers(seconds=seconds)
        finally:
            thread.join()


def read_question(master: int) -> None:
    said = b""
    while not said.endswith(b"\x1b[c"):
        said += os.read(master, 4096)


def saying(*parts: bytes, pause: float = 0.0) -> Callable[[int], None]:
    def answer(master: int) -> None:
        read_question(master)
        for part in parts:
            os.write(master, part)
            time.sleep(pause)

    return answer


def test_kitty_is_found_and_its_cell_is_known(terminal: tuple[int, int]) -> None:
    capabilities, typed = asked(terminal, saying(KITTY))
    assert capabilities == Capabilities(Graphics.KITTY, Cell(8, 17))
    assert typed == b""


def test_sixel_is_found_with_its_colours(terminal: tuple[int, int]) -> None:
    capabilities, _ = asked(terminal, saying(XTERM))
    assert capabilities == Capabilities(Graphics.SIXEL, Cell(8, 17), colours=256)


def test_keys_typed_between_answers_are_handed_back_in_order(terminal: tuple[int, int]) -> None:
    capabilities, typed = asked(terminal, saying(b"tw", KITTY[:9], KITTY[9:19], "o ☃".encode(), KITTY[19:]))
    assert capabilities.graphics is Graphics.KITTY
    assert typed == "two ☃".encode()


def test_keys_typed_before_the_question_are_kept(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    os.write(master, b"early")
    time.sleep(0.05)
    with Conversation(slave, ENVIRON) as conversation:
        saying(XTERM)(master)
        assert conversation.answers()[1] == b"early"


def test_a_terminal_that_never_answers_costs_the_deadline_and_gets_blocks(terminal: tuple[int, int]) -> None:
    began = time.monotonic()
    capabilities, typed = asked(terminal, saying(b"typed"), seconds=0.3)
    assert 0.25 < time.monotonic() - began < 20
    assert capabilities == Capabilities(Graphics.BLOCKS, DEFAULT_CELL)
    assert typed == b"typed"


def test_an_answer_cut_by_the_deadline_is_handed_back_to_be_completed(terminal: tuple[int, int]) -> None:
    _, typed = asked(terminal, saying(b"a\x1b[?6"), seconds=0.2)
    _, rest, unfinished = split_answers(typed + b"2;4c" + b"b")
    assert (rest, unfinished) == (b"ab", b"")


def test_the_settings_of_the_terminal_come_back(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])
    asked(terminal, saying(XTERM))
    assert termios.tcgetattr(terminal[1]) == before


def test_a_dumb_terminal_is_not_asked(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    with Conversation(slave, {"TERM": "dumb"}) as conversation:
        capabilities, typed = conversation.answers()
    os.write(slave, b"!")
    assert os.read(master, 4096) == b"!"
    assert capabilities.graphics is Graphics.BLOCKS
    assert typed == b""


def test_the_file_of_the_question_is_gone_afterwards(terminal: tuple[int, int]) -> None:
    before = set(os.listdir("/dev/shm"))
    asked(terminal, saying(XTERM))
    assert not [name for name in set(os.listdir("/dev/shm")) - before if "imgret" in name]


@given(st.binary(max_size=200))
def test_garbage_never_raises_and_loses_nothing_that_is_no_answer(garbage: bytes) -> None:
    read_answers(garbage)
    found, rest, unfinished = split_answers(garbage)
    assert len(rest) + len(unfinished) + sum(len(match[0]) for match in found) == len(garbage)


@given(st.lists(st.text("abcdefgh é☃", min_size=0, max_size=5), min_size=7, max_size=7))
def test_typing_is_told_from_answers_wherever_it_falls(typed: list[str]) -> None:
    answers = re.findall(rb"\x1b(?:[P_].*?\x1b\\|\[[?\d;]*[a-zA-Z])", KITTY)
    mixed = b"".join(key.encode() + answer for key, answer in zip(typed, [*answers, b"", b""], strict=False))
    assert split_answers(mixed)[1] == "".join(typed[: len(answers) + 2]).encode()
    assert read_answers(mixed) == read_answers(KITTY)


@pytest.mark.parametrize(
    ("answers", "tmux", "graphics"),
    [
        (read_answers(KITTY), "", Graphics.KITTY),
        (read_answers(KITTY.replace(b"0.41.1", b"0.26.5")), "", Graphics.BLOCKS),  # says OK, shows boxes
        (read_answers(KITTY.replace(b"kitty(0.41.1)", b"ghostty 1.1.3")), "", Graphics.KITTY),
        (read_answers(KONSOLE), "", Graphics.SIXEL),  # says OK, shows nothing
        (Answers(attributes=(62, 22)), "", Graphics.BLOCKS),
        (Answers(), "", Graphics.BLOCKS),
        (Answers(name="tmux 3.5a", attributes=(1, 2)), "kitty(0.41.1) RGB,clipboard on", Graphics.KITTY),
        (Answers(name="tmux 3.5a", attributes=(1, 2)), "kitty(0.41.1) RGB off", Graphics.BLOCKS),
        (Answers(name="tmux 3.5a", attributes=(1, 2, 4)), "XTerm(379) sixel off", Graphics.SIXEL),
        (Answers(name="tmux 3.3a", attributes=(1, 2)), "unknown off", Graphics.BLOCKS),
    ],
)
def test_the_decision(answers: Answers, tmux: str, graphics: Graphics) -> None:
    assert judge(answers, tmux=tmux).graphics is graphics


@pytest.mark.parametrize("wish", [Graphics.KITTY, Graphics.SIXEL, Graphics.BLOCKS, Graphics.NONE])
def test_a_wish_is_granted_without_proof(wish: Graphics) -> None:
    assert judge(Answers(), wish).graphics is wish


def test_the_cell_is_found_by_the_best_answer_and_never_absurd() -> None:
    assert judge(Answers(cell=(9, 18), window=(1, 1))).cell == Cell(9, 18)
    assert judge(Answers(window=(800, 500)), window_size=(80, 25, 0, 0)).cell == Cell(10, 20)
    assert judge(Answers(window=(800, 500), screen=(80, 25))).cell == Cell(10, 20)
    assert judge(Answers(), window_size=(80, 25, 640, 400)).cell == Cell(8, 16)
    assert judge(Answers(cell=(0, 0)), window_size=(80, 25, 1, 1)).cell == DEFAULT_CELL
    assert judge(Answers(cell=(99999, 99999))).cell == DEFAULT_CELL


def test_colours_stay_at_what_a_sixel_can_have() -> None:
    assert [judge(Answers(registers=n)).colours for n in (None, 0, 16, 1024)] == [256, 256, 16, 256]


def test_the_last_question_is_the_one_that_everyone_answers() -> None:
    assert question().endswith("\x1b[c")
    assert "\x1b_" in question()
    assert "\x1b_" not in question("\x1b_Gfile", tmux=True)


def test_outside_tmux_nobody_is_asked() -> None:
    assert tmux_client({}) == ""


IN_TMUX = """
import os, sys
from imgret.terminal.probe import Conversation
with Conversation(os.open("/dev/tty", os.O_RDWR)) as conversation:
    capabilities, typed = conversation.answers()
with open(sys.argv[1] + ".part", "w") as file:
    print(capabilities.graphics, capabilities.tmux, typed, file=file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
input()
"""


@pytest.mark.must_run
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_real_tmux_is_asked_without_taking_the_question_for_a_title(tmp_path: Path) -> None:
    def tmux(*arguments: str) -> str:
        command = ["tmux", "-S", str(tmp_path / "server"), "-f", os.devnull, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    told = tmp_path / "told"
    tmux("new-session", "-d", "-x", "80", "-y", "24", sys.executable, "-c", IN_TMUX, str(told))
    try:
        before = tmux("display", "-p", "#{host}")
        end = time.monotonic() + 30
        while not told.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert told.read_text().split() == ["blocks", "True", "b''"]  # nobody looks at this session
        assert tmux("display", "-p", "#{pane_title}") == before
    finally:
        tmux("kill-server")


def test_a_tmux_that_is_gone_counts_as_one_that_shows_nothing(tmp_path: Path) -> None:
    assert tmux_client({"TMUX": str(tmp_path / "none,1,0")}) == "unknown off"


OWN = """
import os, sys
from imgret.terminal.tty import own_terminal
with own_terminal() as fd:
    assert fd > 2
    assert all(os.isatty(n) for n in range(3))
    os.write(1, b"on the terminal")
try:
    os.write(1, b"into the pipe")
except OSError:
    pass
"""


@pytest.mark.parametrize(
    "redirections", ["> pipe", "> pipe 2> /dev/null", "< /dev/null > pipe", ">&-", "<&- > pipe"]
)
def test_the_terminal_is_owned_whatever_was_redirected(redirections: str, tmp_path: Path) -> None:
    child, master = pty.fork()
    if child == 0:  # pragma: no cover
        os.chdir(tmp_path)
        os.execv("/bin/sh", ["sh", "-c", f'"$0" -c "$1" {redirections}', sys.executable, OWN])
    screen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # Linux says EIO when the last writer has gone
            break
        if not part:
            break
        screen += part
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, screen
    assert screen == b"on the terminal"
    if "pipe" in redirections:
        assert (tmp_path / "pipe").read_bytes() == b"into the pipe"


def test_without_a_terminal_it_is_said() -> None:
    code = "from imgret.terminal.tty import own_terminal\nwith own_terminal(): pass"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, start_new_session=True, check=False
    )
    assert b"NoTerminal: there is no terminal to draw on" in result.stderr
