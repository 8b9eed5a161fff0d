"""On battery the daemon waits and reports it; `imgret index` and events show the progress."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from waiting import until

from testbed.home import Daemon
from testbed.small_pngs import write_picture

ALONE = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /sys/class/power_supply && exec "$@"']


class OnLaptop(Daemon):
    """An imgretd that sees, in a mount namespace of its own, another machine's power supplies."""

    def __init__(self, home, supplies):
        super().__init__(home)
        self.supplies = supplies

    def spawn(self):
        with (self.home.path / "log").open("ab") as log:
            command = [*ALONE, self.supplies, sys.executable, "-m", "imgretd", "--foreground"]
            self.process = subprocess.Popen(command, env=self.home.environ, stdout=log, stderr=log)


@pytest.fixture
def supplies(tmp_path):
    folder = tmp_path / "power"
    for name, kind in (("BAT0", "Battery"), ("AC", "Mains")):
        (folder / name).mkdir(parents=True)
        (folder / name / "type").write_text(kind)
    (folder / "BAT0/status").write_text("Discharging")
    (folder / "AC/online").write_text("0")
    if not os.path.isdir("/sys/class/power_supply") or subprocess.run([*ALONE, folder, "true"]).returncode:
        pytest.skip("mounting in a namespace of our own needs root")
    return folder


@pytest.mark.must_run
def test_on_battery_photos_are_known_and_wait_to_be_described(home, supplies):
    write_picture(home.photos / "1.png", 1)
    with OnLaptop(home, supplies) as daemon:
        until(lambda: daemon.request("status")["state"] == "on battery")
        until(lambda: len(home.indexed()) == 1)
        time.sleep(1)
        assert waiting(home) == 1
        (supplies / "AC/online").write_text("1")
        write_picture(home.photos / "2.png", 2)  # it looks at once then, and within half a minute anyway
        until(lambda: len(home.indexed()) == 2 and waiting(home) == 0)
        until(lambda: daemon.request("status")["state"] == "idle")
    assert "Traceback" not in daemon.log(), daemon.log()


def waiting(home):
    with home.index() as store:
        return store.row("SELECT count(DISTINCT content) FROM work")[0]


@contextlib.contextmanager
def at_a_terminal(home, *arguments):
    """An imgret that draws on a terminal; yields a function that returns all it has drawn."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "imgret", *arguments]
    environ = {**home.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = bytearray()

    def so_far():
        with contextlib.suppress(OSError):
            while select.select([ours], [], [], 0)[0]:
                drawn.extend(os.read(ours, 1 << 16))
        return bytes(drawn)

    try:
        yield process, so_far
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_events_show_the_progress(home, daemon):
    daemon.request("pause")
    for number in range(300):
        write_picture(home.photos / f"{number}.png", number)
    with at_a_terminal(home, "status", "--follow") as (process, so_far):
        until(lambda: b"paused" in so_far())
        daemon.request("resume")
        until(lambda: b"/300" in so_far())
        until(lambda: b"idle" in so_far()[so_far().rindex(b"/300") :])
        process.send_signal(signal.SIGINT)
        until(lambda: so_far() is not None and process.poll() is not None)
        assert process.returncode == 130
        assert b"Traceback" not in so_far()
