"""Calls that do not return, on a pipe that nobody writes to: a thread waits for it in the kernel."""

import os
import subprocess
import sys
import threading
import time

import pytest
from waiting import until

from imgret import disk_calls
from imgret.disk_calls import DiskCall, NotAnswering, call, is_stuck, silent_disks, stuck


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 1.0)


@pytest.fixture
def pipe():
    """Reading it hangs until the test is over."""
    read, write = os.pipe()
    yield read
    os.close(write)
    until(lambda: not silent_disks())
    os.close(read)


def test_a_call_gives_what_the_job_returns_or_raises():
    assert call(b"/disk", lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        call(b"/disk", lambda: os.stat(b"/no/such/file"))
    assert not silent_disks()


def test_a_job_that_says_that_it_is_alive_may_take_long():
    def job(call):
        for _ in range(8):
            time.sleep(0.2)
            call.touch()
        return "done"

    assert DiskCall(b"/disk", b"/disk", job).result() == "done"


def test_a_call_that_does_not_return_is_given_up_and_not_made_again(pipe):
    with pytest.raises(NotAnswering, match="/disk cannot be read: its disk does not answer"):
        call(b"/disk", lambda: os.read(pipe, 1))
    assert silent_disks() == [b"/disk"]
    assert is_stuck(b"/disk", b"/disk")
    threads, began = threading.active_count(), time.monotonic()
    with pytest.raises(NotAnswering):
        call(b"/disk", lambda: os.read(pipe, 1))
    assert time.monotonic() - began < 0.8
    assert threading.active_count() == threads
    assert call(b"/other disk", lambda: 7) == 7


def test_a_disk_that_answers_again_is_asked_again():
    read, write = os.pipe()
    with pytest.raises(NotAnswering):
        call(b"/disk", lambda: os.read(read, 1))
    os.close(write)
    until(lambda: not stuck(b"/disk"))
    assert call(b"/disk", lambda: 7) == 7
    os.close(read)


def test_the_abandoned_threads_of_a_disk_are_few(pipe):
    def job(call):
        os.read(pipe, 1)

    for running in [DiskCall(b"/disk", b"/disk/%d" % number, job) for number in range(disk_calls.MOST_STUCK)]:
        with pytest.raises(NotAnswering):
            running.result()
    with pytest.raises(NotAnswering):
        DiskCall(b"/disk", b"/disk/more", lambda call: 7)
    assert DiskCall(b"/other disk", b"/other disk", lambda call: 7).result() == 7


def test_a_dropped_job_ends_at_its_next_sign_of_life():
    ended = threading.Event()

    def job(call):
        try:
            while True:
                time.sleep(0.01)
                call.touch()
        finally:
            ended.set()

    with pytest.raises(NotAnswering):
        DiskCall(b"/disk", b"/disk", job).result(stopped=lambda: True)
    assert ended.wait(20)


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


def test_a_program_ends_while_a_call_is_stuck():
    ran = run(
        "import os\n"
        "from imgret import disk_calls as diskcalls\n"
        "diskcalls.SILENCE_SECONDS = 0.2\n"
        "read, write = os.pipe()\n"
        "try:\n"
        "    diskcalls.call(b'/disk', lambda: os.read(read, 1))\n"
        "except diskcalls.NotAnswering as error:\n"
        "    print(error)\n"
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        0,
        "/disk cannot be read: its disk does not answer\n",
        "",
    )


def test_without_a_thread_to_be_had_the_call_is_made_all_the_same():
    """No room for the stack of another thread."""
    ran = run(
        "import logging, resource, threading\n"
        "from imgret.disk_calls import call\n"
        "logging.basicConfig(format='%(message)s')\n"
        "threading.stack_size(1 << 30)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\n"
        "print(call(b'/disk', lambda: 7))\n"
    )
    assert (ran.returncode, ran.stdout) == (0, "7\n"), ran.stderr
    assert "no thread left" in ran.stderr
