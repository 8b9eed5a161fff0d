"""Runs that are interrupted, killed or met by another: at most a batch is done again, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import WORDLLAMA, Library, draw, imgret, imgret_process

PHOTOS = 150


def started(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """`imgret ARGUMENTS` as a process in a session of its own, its stderr piped."""
    return subprocess.Popen(
        [sys.executable, "-m", "imgret", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something that must come while `process` lives."""
    deadline = time.monotonic() + 60
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def described_so_far(library: Library) -> int:
    if not library.database.exists():
        return 0
    ready = library.rows("SELECT 1 FROM sqlite_master WHERE name = 'stage_result'")
    return int(library.rows("SELECT count(DISTINCT content) FROM stage_result")[0][0]) if ready else 0


def assert_sound_and_complete(library: Library) -> None:
    """The next run finishes, nothing was done twice or lost, and the file is sound."""
    done = imgret_process("index", library.photos)
    assert done.code == 0, done.err
    status = library.status()
    assert (status["photos"], status["described"], status["failed"]) == (PHOTOS, PHOTOS, 0)
    assert library.rows("SELECT count(*) FROM work") == [(0,)]
    ((with_vector,),) = library.rows("SELECT count(DISTINCT content) FROM vector WHERE view = 'passage'")
    assert with_vector == PHOTOS
    assert imgret("doctor").code == 0
    assert "nothing to describe: everything is up to date" in imgret_process("index", library.photos).err


@pytest.fixture
def many(empty: Library) -> Library:
    """Enough photos to be interrupted among them, in small batches."""
    empty.config.write_text("decode_workers = 1\nbatch = 4\n" + WORDLLAMA)
    draw(empty.photos / "0.png", "red", "circle", "white")
    picture = (empty.photos / "0.png").read_bytes()
    for number in range(1, PHOTOS):  # other bytes each, so contents of their own
        (empty.photos / f"{number}.png").write_bytes(picture + bytes([number]))
    return empty


@pytest.mark.must_run
def test_ctrl_c_ends_after_the_batch_and_reports_the_progress(many: Library) -> None:
    process = started("index", many.photos)
    wait_until(lambda: described_so_far(many) > 0, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    stderr = err.decode()
    assert "Traceback" not in stderr
    if process.returncode == 0:
        pytest.fail(f"the run was over before it could be interrupted: {stderr}")
    assert process.returncode == 130, stderr
    assert "saved, " in stderr
    assert "run the command again to continue" in stderr
    safe = int(stderr.split("interrupted: ")[1].split()[0])
    assert 0 < safe < PHOTOS
    assert described_so_far(many) == safe
    assert_sound_and_complete(many)


@pytest.mark.parametrize("moment", [0.1, 0.4, 0.8, 1.4])
def test_ctrl_c_at_any_moment_is_130_without_a_traceback(many: Library, moment: float) -> None:
    process = started("index", many.photos)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert b"Traceback" not in err, err.decode()
    assert process.returncode in (130, -signal.SIGINT, 0), err.decode()
    if many.database.exists():
        assert imgret("doctor").code == 0


@pytest.mark.must_run
def test_kill_loses_at_most_what_was_in_flight(many: Library) -> None:
    kept = [0]
    for _ in range(3):
        process = started("index", many.photos)
        wait_until(lambda: described_so_far(many) > kept[-1], process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        kept.append(described_so_far(many))
    assert kept == sorted(kept)
    assert 0 < kept[-1] < PHOTOS
    assert_sound_and_complete(many)
    assert many.rows("SELECT max(attempts) FROM work") == [(None,)]


@pytest.mark.must_run
def test_two_at_once_take_turns(many: Library) -> None:
    first = started("index", many.photos)
    wait_until(lambda: described_so_far(many) > 0, first)
    first.send_signal(signal.SIGSTOP)  # it is quick: it stands still until the others have met it
    busy = imgret_process("index", "--wait", "0", many.photos)
    assert (busy.code, "is writing to" in busy.err) == (3, True), busy.err
    second = started("index", many.photos)
    assert second.stderr is not None
    assert b"waiting for process" in second.stderr.readline()
    first.send_signal(signal.SIGCONT)
    query = imgret("query", "photos")  # searches do not wait
    assert query.code == 0
    assert imgret("note", many.photos / "0.png", "written meanwhile").code == 0
    _, first_output = first.communicate(timeout=90)
    _, second_output = second.communicate(timeout=90)
    assert (first.returncode, second.returncode) == (0, 0), first_output + second_output
    assert many.shown("0.png")["note"] == "written meanwhile"
    assert_sound_and_complete(many)


def test_a_reader_that_leaves_ends_the_command_quietly(many: Library) -> None:
    imgret("index", many.photos)
    for command in ("export", "query --json -k 1000 photos", "query --rank words -0 -k 1000 photos"):
        process = subprocess.Popen(
            [sys.executable, "-m", "imgret", *command.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        stderr = process.stderr.read()
        process.stderr.close()
        assert process.wait(30) in (0, 141)
        assert b"Traceback" not in stderr
        assert b"BrokenPipe" not in stderr
        assert b"Exception" not in stderr


def test_output_that_cannot_be_written_is_reported(many: Library) -> None:
    imgret("index", many.photos)
    with open("/dev/full", "wb") as full:
        done = imgret_process("export", stdout=full)
    assert (done.code, done.err) == (3, "imgret: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("arguments", [["nonsense"], ["show"], ["query", "--nonsense"]])
def test_a_wrong_command_line_ends_with_2_without_a_writable_stderr(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        assert imgret_process(*arguments, stderr=full).code == 2
