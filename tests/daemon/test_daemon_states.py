"""What may not stop the daemon, nor a command that waits for it: bad settings, busy folders, locks, limits."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
from waiting import until

from imgret.client.protocol import Refused
from imgret.client.socket_client import Connection
from testbed.home import WORDLLAMA, Home
from testbed.small_pngs import write_picture


@pytest.mark.parametrize(
    "more", ['exclude = ["[z-a]"]', "decode_seconds = inf", 'device = "the big one"', "= 1"]
)
def test_a_configuration_that_is_bad_at_the_start_ends_the_daemon_with_a_sentence(home, more):
    home.configure([home.photos], more)
    command = [sys.executable, "-m", "imgretd", "--foreground"]
    ran = subprocess.run(command, env=home.environ, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "config.toml" in ran.stderr
    assert "line 2" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("more", ['exclude = ["ok", "!"]', "decode_seconds = nan", "folders = 3"])
def test_a_configuration_that_becomes_bad_is_reported_until_it_is_good_again(home, daemon, more):
    write_picture(home.photos / "1.png", 1)
    until(lambda: len(home.indexed()) == 1)
    home.configure([home.photos], more)
    daemon.signal(signal.SIGHUP)
    until(lambda: "the new configuration is not used" in (daemon.request("status")["problem"] or ""))
    with pytest.raises(Refused, match="line"):
        daemon.request("reload")
    write_picture(home.photos / "2.png", 2)  # the last good one is still in force
    until(lambda: len(home.indexed()) == 2)
    daemon.wait_until_idle()
    assert "the new configuration is not used" in daemon.request("status")["problem"]
    home.configure([home.photos])
    daemon.request("reload")
    until(lambda: daemon.request("status")["problem"] is None)


def test_the_command_waits_for_its_own_folder_only(home, daemon, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for number in range(3):
        write_picture(other / f"{number}.png", number)
    saving = threading.Event()

    def camera():
        number = 100
        while not saving.wait(0.1):
            write_picture(home.photos / f"{number}.png", number)
            number += 1

    thread = threading.Thread(target=camera)
    thread.start()
    try:
        until(lambda: len(home.indexed()) > 3)
        ran = home.imgret("index", str(other), timeout=60)
    finally:
        saving.set()
        thread.join()
    assert ran.returncode == 0, ran.stderr
    with home.index() as store:
        rows = store.rows("SELECT root.path FROM photo JOIN root ON root.id = root JOIN content ON content.id"
                          " = content WHERE content.width = 4")  # fmt: skip
        assert [path for (path,) in rows].count(os.fsencode(other)) == 3


def test_the_exit_code_beside_a_daemon_is_that_without_one(home, tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
        write_picture(folder / "1.png", 1)
    (bad / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    ends = []
    for beside in (True, False):
        if beside:
            with home.daemon():
                ran = [home.imgret("index", str(folder), timeout=60) for folder in (good, bad, bad)]
        else:
            ran = [home.imgret("index", str(folder), timeout=60) for folder in (good, bad, bad)]
        ends.append([each.returncode for each in ran])
        assert all(b"2.png" in each.stderr or b"failed" in each.stderr for each in ran[1:])
        assert b"up to date" not in ran[1].stderr
    assert ends == [[0, 1, 1], [0, 1, 1]]


def test_the_command_reports_that_the_daemon_is_paused(home, daemon):
    daemon.wait_until_idle()
    assert home.imgret("pause").returncode == 0
    write_picture(home.photos / "1.png", 1)
    ran = home.imgret("index", str(home.photos), timeout=60)
    assert ran.returncode == 1
    assert b"imgret resume" in ran.stderr
    assert home.imgret("resume").returncode == 0
    assert home.imgret("index", str(home.photos), timeout=60).returncode == 0
    assert len(home.indexed()) == 1


@pytest.mark.parametrize("command", [["pause"], ["resume"], ["status", "--follow"]])
def test_a_command_for_the_daemon_of_another_index_is_refused(home, daemon, command):
    daemon.wait_until_idle()
    served, other = home.places.index, str(home.path / "other.db")
    home.environ["IMGRET_INDEX"] = other
    ran = home.imgret(*command, timeout=60)
    assert ran.returncode == 4
    assert f"serves another index: {served}" in ran.stderr.decode()
    assert "IMGRET_INDEX" in ran.stderr.decode()
    assert not daemon.request("status")["paused"]
    assert not os.path.exists(other)


def test_without_folders_those_that_were_indexed_are_looked_at(home, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_picture(other / "1.png", 1)
    home.configure([])
    assert home.imgret("index").returncode == 2
    assert home.imgret("index", str(other)).returncode == 0
    write_picture(other / "2.png", 2)
    assert home.imgret("index").returncode == 0
    assert len(home.indexed()) == 2
    with home.daemon():
        write_picture(other / "3.png", 3)
        assert home.imgret("index", timeout=60).returncode == 0
        assert len(home.indexed()) == 3


def test_the_state_is_reported_at_once_while_another_process_holds_the_index(home, daemon):
    daemon.wait_until_idle()
    replies = []
    with home.index() as store, store.writing() as db:
        db.execute("INSERT OR REPLACE INTO setting VALUES ('held', 'yes')")
        waiting = [
            threading.Thread(target=lambda each=each: replies.append(daemon.request(each[0], **each[1])))
            for each in (("index", {"paths": [str(home.photos)]}), ("reload", {}), ("pause", {}))
        ]
        for thread in waiting:
            thread.start()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            began = time.monotonic()
            assert daemon.request("status")["pid"] == daemon.pid
            assert time.monotonic() - began < 4  # a call that waits for the lock takes BUSY_SECONDS
            time.sleep(0.1)
        assert len(replies) < 3  # they do wait
    for thread in waiting:
        thread.join(40)
    assert len(replies) == 3


def test_a_lack_of_descriptors_is_reported_until_it_is_over(tmp_path):
    home = Home(WORDLLAMA, folder=tmp_path)
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        used = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        with Connection(home.places.socket) as held:  # accepted while there were descriptors
            assert held.request("status", {})["pid"] == daemon.pid
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used + 2, 4096))
            for number in range(20):
                write_picture(home.photos / f"{number}.png", number)
            until(lambda: held.request("status", {})["problem"])
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        until(lambda: len(home.indexed()) == 20)
        until(lambda: daemon.request("status")["problem"] is None)
        daemon.wait_until_idle()
        with home.index() as store:
            assert store.row("SELECT count(DISTINCT content) FROM vector") == (20,)
