"""`imgret query` with a running daemon: which modules it loads, and what it prints on a terminal."""

import json
import os
import pty
import subprocess
import sys

import pytest

from testbed.fake_terminal import FakeTerminal
from testbed.small_pngs import write_picture

# Runs imgret and prints on stderr which modules it had loaded: without apsw it cannot have opened the index.
REPORT_MODULES = (
    "import atexit, sys\n"
    "atexit.register(lambda: print('LOADED', *sorted({n.partition('.')[0] for n in sys.modules}), file=sys.stderr))\n"
    "from imgret.__main__ import main\n"
    "sys.argv[0] = 'imgret'\n"
    "main()\n"
)


def run(home, *arguments, **how):
    """(exit code, stdout, what was loaded) of an `imgret`."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT_MODULES, *arguments],
        env=home.environ,
        stderr=subprocess.PIPE,
        check=False,
        **how,
    )
    stderr, _, loaded = done.stderr.decode().rpartition("LOADED")
    return done.returncode, done.stdout, set(loaded.split()), stderr


@pytest.fixture
def served(home, daemon):
    """A daemon with a few photos, found by their names."""
    (home.photos / "beach").mkdir()
    write_picture(home.photos / "beach" / "sunset.png", 1)
    write_picture(home.photos / "sunset \x1b]52;c;eA==\x07.png", 2)
    write_picture(os.fsencode(home.photos) + b"/sunset \xff.png", 3)
    daemon.wait_until_idle()
    return home


def test_a_terminal_gets_hits_of_the_daemon_with_clean_names(served):
    ours, theirs = pty.openpty()
    served.environ["TERM"] = "dumb"  # neither colours nor links
    code, _, loaded, _ = run(served, "query", "sunset", stdout=theirs)
    os.close(theirs)
    screen = os.read(ours, 65536)
    os.close(ours)
    assert code == 0
    assert not {"apsw", "numpy", "typer", "msgspec"} & loaded
    assert b"\x1b" not in screen
    assert b"\x07" not in screen
    lines = [line for line in screen.decode().splitlines() if line[:2].strip().isdigit()]
    assert len(lines) == 3
    assert sum("sunset \ufffd" in line for line in lines) == 2


def test_a_pipe_gets_the_bytes_and_json_without_control_characters(served):
    code, output, loaded, _ = run(served, "query", "-0", "sunset", stdout=subprocess.PIPE)
    assert (code, "apsw" in loaded) == (0, False)
    assert {os.path.basename(path) for path in output.split(b"\0") if path} == {
        b"sunset.png", b"sunset \x1b]52;c;eA==\x07.png", b"sunset \xff.png"
    }  # fmt: skip
    _, output, _, _ = run(served, "query", "--json", "sunset", stdout=subprocess.PIPE)
    assert b"\x1b" not in output
    assert any("\x1b]52" in json.loads(line)["path"] for line in output.splitlines())


def test_a_folder_is_relative_to_the_current_folder(served):
    for where, text, found in (
        (served.photos / "beach", "in:. sunset", 1),
        (served.photos / "beach", "in:.. sunset", 3),
        (served.photos, "in:./beach sunset", 1),
        (served.path, "in:./beach sunset", 0),
    ):
        _, output, loaded, _ = run(served, "query", "-0", text, cwd=where, stdout=subprocess.PIPE)
        assert ("apsw" in loaded, output.count(b"\0")) == (False, found), (where, text)


def test_a_batch_uses_the_daemon_and_continues_without_it(served, daemon):
    questions = b"sunset\nafter:never\nnothing-like-it\n"
    whole = served.imgret("query", "--json", "--batch", "-", input=questions)
    assert whole.returncode == 2
    assert b"query 1: after:never is no date" in whole.stderr
    numbers = [json.loads(line)["question_number"] for line in whole.stdout.splitlines()]
    assert numbers == [0, 0, 0]
    assert daemon.stop() == 0
    alone = served.imgret("query", "--json", "--batch", "-", input=questions)
    assert (alone.returncode, alone.stdout, alone.stderr) == (whole.returncode, whole.stdout, whole.stderr)


def test_a_batch_uses_the_daemon_and_opens_no_index(served):
    code, output, loaded, stderr = run(
        served, "query", "--batch", "-", input=b"sunset\nbeach\n", stdout=subprocess.PIPE
    )
    assert (code, len(output.splitlines()), stderr) == (0, 4, "")
    assert "sqlite_vec" not in loaded


@pytest.mark.parametrize("kind", ["kitty", "sixel", "plain"])
def test_a_preview_shows_each_photo_by_the_protocol_of_the_terminal(served, daemon, kind):
    command = [sys.executable, "-m", "imgret", "query", "--preview", "sunset"]
    for alone in (False, True):
        if alone:
            assert daemon.stop() == 0
        with FakeTerminal(command, kind=kind, environ=served.environ) as terminal:
            assert terminal.ended(60) == 0
        assert [terminal.sent, len(terminal.sixels())] == {"kitty": [3, 0], "sixel": [0, 3], "plain": [0, 0]}[
            kind
        ]
        lines = terminal.text().decode().splitlines()
        assert sum("strong" in line for line in lines) == 3
        assert (kind != "plain") or sum("▀" in line for line in lines) >= 3
        assert b"\x1b]52" not in terminal.output


def test_a_preview_reports_a_photo_that_vanished_and_shows_the_others(served, daemon):
    daemon.kill()
    os.unlink(served.photos / "beach" / "sunset.png")
    command = [sys.executable, "-m", "imgret", "query", "--preview", "sunset"]
    with FakeTerminal(command, kind="kitty", environ=served.environ) as terminal:
        assert terminal.ended(60) == 0
    assert terminal.sent == 2
    assert b"sunset.png" in terminal.text()


def test_completion_gets_the_values_of_the_library_from_the_daemon(served):
    code, printed, loaded, stderr = run(
        served, "__complete", "fish", "imgret", "query", "format:", stdout=subprocess.PIPE
    )
    assert (code, printed, stderr) == (0, b"words\nformat:png\t\n", "")
    assert not {"apsw", "numpy"} & loaded
