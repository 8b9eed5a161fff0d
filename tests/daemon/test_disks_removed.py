"""Disks that go away, fill up or become read-only: nothing is deleted, it is reported, and the daemon continues."""

import os
import subprocess
import time

import pytest
from waiting import until

from testbed.home import Home
from testbed.index_check import differences
from testbed.small_pngs import write_picture

PHOTOS = 30


def mounted(*command):
    ran = subprocess.run(["mount", *map(str, command)], capture_output=True, text=True)
    if ran.returncode:
        pytest.skip(f"mounting needs root: {ran.stderr.strip()}")


def unmounted(folder):
    subprocess.run(["umount", "-l", folder], check=True)


def online(home):
    with home.index() as store:
        return [root.online for root in store.roots.all()]


@pytest.fixture
def card(tmp_path):
    """A memory card: a file system in a file. Gives a function that plugs it in at a folder."""
    image = tmp_path / "card.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    if subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True).returncode:
        pytest.skip("mkfs.ext4 is not installed")
    plugged = []

    def plug(folder):
        mounted("-o", "loop", image, folder)
        plugged.append(folder)

    yield plug
    for folder in plugged:
        subprocess.run(["umount", "-l", folder], capture_output=True)


@pytest.mark.must_run
@pytest.mark.parametrize("kind", ["loop", "bind"])
def test_a_root_that_is_unplugged_loses_nothing_and_comes_back(tmp_path, kind, request):
    home = Home(folder=tmp_path / "h") if (tmp_path / "h").mkdir() is None else None
    behind = tmp_path / "behind"
    behind.mkdir()
    if kind == "loop":
        plug = request.getfixturevalue("card")
    else:

        def plug(folder):
            mounted("--bind", behind, folder)

    plug(home.photos)
    try:
        for number in range(PHOTOS):
            write_picture(home.photos / f"{number}.png", number)
        with home.daemon() as daemon:
            until(lambda: len(home.indexed()) == PHOTOS)
            daemon.wait_until_idle()
            for _ in range(2):
                unmounted(home.photos)
                until(lambda: online(home) == [False])
                assert len(home.indexed()) == PHOTOS
                plug(home.photos)
                until(lambda: online(home) == [True])
                assert differences(home) == []
            os.unlink(home.photos / "0.png")
            write_picture(home.photos / "new.png", 99)
            until(lambda: differences(home) == [])
    finally:
        subprocess.run(["umount", "-l", home.photos], capture_output=True)


@pytest.mark.must_run
def test_unplugged_before_the_start(tmp_path, card):
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    card(home.photos)
    for number in range(PHOTOS):
        write_picture(home.photos / f"{number}.png", number)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == PHOTOS)
        daemon.wait_until_idle()
    unmounted(home.photos)
    with home.daemon() as daemon:
        until(lambda: online(home) == [False])
        assert len(home.indexed()) == PHOTOS
        card(home.photos)
        until(lambda: online(home) == [True] and differences(home) == [])


@pytest.mark.must_run
def test_unplugged_in_the_middle_of_a_batch(tmp_path, card):
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    card(home.photos)
    many = 600
    for number in range(many):
        write_picture(home.photos / f"{number}.png", number)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) > 0)
        unmounted(home.photos)
        until(lambda: online(home) == [False])
        kept = len(home.indexed())
        assert kept > 0
        time.sleep(1)
        assert len(home.indexed()) == kept
        card(home.photos)
        until(lambda: online(home) == [True] and differences(home) == [])
        daemon.wait_until_idle()
        with home.index() as store:
            assert store.row("SELECT count(*) FROM work WHERE error IS NOT NULL") == (0,)


@pytest.fixture
def small_disk(tmp_path):
    """A home whose index is on a disk of its own, of 4 MB."""
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    data = tmp_path / "h/data"
    data.mkdir(exist_ok=True)
    mounted("-t", "tmpfs", "-o", "size=4m,mode=700", "small", data)
    yield home, data
    subprocess.run(["umount", "-l", data], capture_output=True)


def test_a_full_disk_is_reported_and_waited_for(small_disk):
    home, data = small_disk
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        with (data / "ballast").open("wb") as ballast:
            room = os.statvfs(data)
            ballast.write(b"x" * (room.f_bavail * room.f_frsize))
        for number in range(300):
            write_picture(home.photos / f"{number}.png", number)
        until(lambda: "full" in (daemon.request("status")["problem"] or ""))
        (data / "ballast").unlink()
        until(lambda: differences(home) == [])
        daemon.wait_until_idle()
        assert daemon.request("status")["problem"] is None
        with home.index() as store:
            assert store.problems() == []
    assert "Traceback" not in daemon.log(), daemon.log()


def test_a_read_only_disk_is_reported_and_waited_for(small_disk):
    home, data = small_disk
    with home.daemon() as daemon:
        write_picture(home.photos / "1.png", 1)
        until(lambda: len(home.indexed()) == 1)
        daemon.wait_until_idle()
        daemon.stop()
        subprocess.run(["mount", "-o", "remount,ro", data], check=True)
        daemon.start()
        write_picture(home.photos / "2.png", 2)
        until(lambda: "cannot be written" in (daemon.request("status")["problem"] or ""))
        result = home.imgret("query", "--json", "1")
        assert result.returncode in (0, 1), result.stderr
        subprocess.run(["mount", "-o", "remount,rw", data], check=True)
        until(lambda: differences(home) == [])
    assert "Traceback" not in daemon.log(), daemon.log()
