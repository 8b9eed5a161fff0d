"""The programs beside a photo whose reading does not return: the others come in, and a signal ends them."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from faulty_disk import faulty_disk
from waiting import until

from testbed.home import Home
from testbed.small_pngs import write_picture


@pytest.fixture
def hanging(home, tmp_path):
    """The folders of a home: one on a disk where reading hung.png hangs, and an ordinary one."""
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    source, mount = tmp_path / "source", tmp_path / "mount"
    for number, folder in enumerate((source, mount)):
        folder.mkdir()
        write_picture(home.photos / f"{number}.png", number)
        write_picture(source / f"{number + 2}.png", number + 2)
    write_picture(source / "hung.png", 9)
    home.configure([mount, home.photos])
    with faulty_disk(str(source), str(mount), hang_read="hung.png"):
        yield mount


def known(home):
    return {os.path.basename(path) for path, hash_ in home.indexed().items() if hash_ is not None}


@pytest.mark.second_try(reason="the five seconds that a user waits are of a real clock")
@pytest.mark.must_run
def test_the_daemon_watches_all_others_reports_the_hanging_one_and_stops(home: Home, hanging):
    with home.daemon() as daemon:
        until(lambda: known(home) == {b"0.png", b"1.png", b"2.png", b"3.png"})
        write_picture(home.photos / "later.png", 7)
        until(lambda: b"later.png" in known(home), 10)
        until(lambda: daemon.request("status")["silent"] == [str(hanging)])
        assert f"the disk of {hanging} does not respond" in home.imgret("status").stdout.decode()
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 5
    assert "Traceback" not in daemon.log()


def test_a_known_folder_that_hangs_delays_no_other_at_the_start(home: Home, tmp_path):
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    disks = [(tmp_path / f"source{number}", tmp_path / f"mount{number}") for number in range(3)]
    for source, mount in disks:
        source.mkdir()
        mount.mkdir()
        write_picture(mount / "before.png", 1)
    mounts = [mount for _, mount in disks]
    home.configure([*mounts, home.photos])
    assert home.imgret("index").returncode == 0
    write_picture(home.photos / "new.png", 2)
    hanging = contextlib.ExitStack()
    with hanging:
        for source, mount in disks:
            hanging.enter_context(faulty_disk(str(source), str(mount), hang_stat=source.name))
        with home.daemon(), hanging:  # closed first: a process in a call to such a disk does not end
            until(lambda: b"new.png" in known(home), 30)  # waiting for each of the three takes 45 s
            hanging.close()  # now they respond
            write_picture(mounts[0] / "later.png", 3)
            until(lambda: b"later.png" in known(home))


def test_folders_of_users_whose_names_are_not_ascii(home: Home):
    home.configure(["~é/photos", home.photos])
    write_picture(home.photos / "new.png", 2)
    assert home.imgret("folders").returncode == 0
    with home.daemon():
        until(lambda: b"new.png" in known(home))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_imgret_index(home: Home, hanging, number):
    command = [sys.executable, "-m", "imgret", "index", str(hanging)]
    with subprocess.Popen(command, env=home.environ, stderr=subprocess.PIPE) as process:
        until(lambda: os.path.exists(home.places.index) and known(home) == {b"2.png", b"3.png"})
        process.send_signal(number)
        _, stderr = process.communicate(timeout=5)
    assert process.returncode in (130, -number)
    assert b"Traceback" not in stderr
