"""Calls that never return: a thread is blocked in the kernel by reading a pipe without a writer."""

import os
import subprocess
import sys
import threading
import time

import pytest
from waiting import until

from imgret import disk_calls
from imgret.disk_calls import DiskCall, NotResponding, call, call_each, is_stuck, silent_disks, stuck


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 1.0)


@pytest.fixture
def pipe():
    """Reading from it blocks until the test ends."""
    read, write = os.pipe()
    yield read
    os.close(write)
    until(lambda: not silent_disks())
    os.close(read)


def test_a_call_returns_the_value_of_the_job_or_raises_its_exception():
    assert call(b"/disk", lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        call(b"/disk", lambda: os.stat(b"/no/such/file"))
    assert not silent_disks()


def test_a_job_that_reports_progress_may_take_long():
    def job(call):
        for _ in range(8):
            time.sleep(0.2)
            call.touch()
        return "done"

    assert DiskCall(b"/disk", b"/disk", job).result() == "done"


def test_a_blocked_call_is_abandoned_and_not_repeated(pipe):
    with pytest.raises(NotResponding, match="/disk cannot be read: its disk does not respond"):
        call(b"/disk", lambda: os.read(pipe, 1))
    assert silent_disks() == [b"/disk"]
    assert is_stuck(b"/disk", b"/disk")
    threads, began = threading.active_count(), time.monotonic()
    with pytest.raises(NotResponding):
        call(b"/disk", lambda: os.read(pipe, 1))
    assert time.monotonic() - began < 0.8
    assert threading.active_count() == threads
    assert call(b"/other disk", lambda: 7) == 7


def test_a_disk_that_responds_again_is_used_again():
    read, write = os.pipe()
    with pytest.raises(NotResponding):
        call(b"/disk", lambda: os.read(read, 1))
    os.close(write)
    until(lambda: not stuck(b"/disk"))
    assert call(b"/disk", lambda: 7) == 7
    os.close(read)


def test_the_number_of_abandoned_threads_per_disk_is_limited(pipe):
    def job(call):
        os.read(pipe, 1)

    for running in [DiskCall(b"/disk", b"/disk/%d" % number, job) for number in range(disk_calls.MOST_STUCK)]:
        with pytest.raises(NotResponding):
            running.result()
    with pytest.raises(NotResponding):
        DiskCall(b"/disk", b"/disk/more", lambda call: 7)
    assert call_each([b"/disk", b"/other disk"], len, 20) == {b"/other disk": 11}
    assert DiskCall(b"/other disk", b"/other disk", lambda call: 7).result() == 7


def test_an_abandoned_job_ends_when_it_reports_progress():
    ended = threading.Event()

    def job(call):
        try:
            while True:
                time.sleep(0.01)
                call.touch()
        finally:
            ended.set()

    with pytest.raises(NotResponding):
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
        "except diskcalls.NotResponding as error:\n"
        "    print(error)\n"
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        0,
        "/disk cannot be read: its disk does not respond\n",
        "",
    )


def test_if_no_thread_can_be_started_the_call_is_made_without_one():
    """The memory limit leaves no space for the stack of another thread."""
    ran = run(
        "import logging, resource, threading\n"
        "from imgret.disk_calls import call\n"
        "logging.basicConfig(format='%(message)s')\n"
        "threading.stack_size(1 << 30)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\n"
        "print(call(b'/disk', lambda: 7))\n"
    )
    assert (ran.returncode, ran.stdout) == (0, "7\n"), ran.stderr
    assert "No further thread can be started" in ran.stderr
