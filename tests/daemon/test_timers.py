"""Changes without an event: changes on a network disk, a machine that slept, a wall clock that jumps."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from imgretd.reconciler import Reconciler
from imgretd.watched_folders import SUSPENDED_SECONDS, Folders
from waiting import until

from imgret.config import Settings
from imgret.store.factory import open_store
from testbed.home import Home
from testbed.index_check import differences
from testbed.small_pngs import write_picture

SOON = "[daemon]\nnetwork_scan_minutes = 0.02"  # 1.2 seconds
HOURS = 3600.0


@pytest.fixture
def remote(tmp_path):
    """Shows a folder elsewhere through FUSE, as sshfs does: what changes behind it gives no event there."""
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs is not installed")
    behind, shown = tmp_path / "behind", []
    behind.mkdir()

    def mount(folder):
        command = ["bindfs", "-o", "subtype=sshfs,fsname=me@host:/photos", behind, folder]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            pytest.skip(f"FUSE does not work here: {ran.stderr.strip()}")
        shown.append(folder)
        return behind

    yield mount
    for folder in shown:
        subprocess.run(["umount", "-l", folder], capture_output=True)


@pytest.mark.must_run
@pytest.mark.parametrize("where", [".", "nas/photos"], ids=["the root itself", "mounted below it"])
def test_changes_on_a_network_disk_are_found_by_a_timer(home, remote, where):
    (home.photos / where).mkdir(parents=True, exist_ok=True)
    behind = remote(home.photos / where)
    write_picture(behind / "1.png", 1)
    home.configure([home.photos])
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == 1)
        daemon.wait_until_idle()
        time.sleep(2.5)  # the look at what was young is over
        write_picture(behind / "2.png", 2)
        time.sleep(3)
        assert len(home.indexed()) == 1  # there was no event, and its timer has minutes
        home.configure([home.photos], SOON)
        daemon.request("reload")
        until(lambda: differences(home) == [])
        for number in range(3, 6):
            write_picture(behind / f"{number}.png", number)
            (behind / f"{number - 1}.png").unlink()
            until(lambda: differences(home) == [])
    assert "Traceback" not in daemon.log(), daemon.log()


@contextlib.contextmanager
def folders_on(tmp_path, **clocks):
    """Real folders, watched and reconciled; gives them and the list of the passes over them."""
    photos = tmp_path / "photos"
    photos.mkdir()
    settings = Settings(folders=(str(photos),))
    passes = []
    path = str(tmp_path / "index.db")
    with open_store(path) as store:
        reconciler = Reconciler(
            path, settings, lambda *reported: passes.append(reported), print, lambda: None
        )
        folders = Folders(reconciler, **clocks)
        folders.configure(store, settings)
        reconciler.start()
        try:
            until(lambda: len(passes) == 1)
            yield folders, passes
        finally:
            folders.stop()
            reconciler.stop()
            reconciler.join()


def test_after_a_suspend_everything_is_looked_at(tmp_path):
    slept = [100.0]
    with folders_on(tmp_path, slept=lambda: slept[0]) as (folders, passes):
        slept[0] += SUSPENDED_SECONDS / 2  # the two clocks are never read at the same instant
        folders.tick()
        time.sleep(1)
        assert len(passes) == 1
        slept[0] += 8 * HOURS
        folders.tick()
        until(lambda: len(passes) == 2)
        folders.tick()
        time.sleep(1)
        assert len(passes) == 2


def test_every_few_hours_everything_is_looked_at(tmp_path):
    awake = [0.0]
    with folders_on(tmp_path, awake=lambda: awake[0]) as (folders, passes):
        hours = Settings().daemon.full_scan_hours
        awake[0] = (hours - 0.1) * HOURS
        folders.tick()
        time.sleep(1)
        assert len(passes) == 1
        awake[0] = hours * HOURS
        folders.tick()
        until(lambda: len(passes) == 2)


LEFT = (
    "SELECT count(*) FROM work WHERE error IS NULL"
    " AND EXISTS (SELECT 1 FROM photo WHERE photo.content = work.content AND gone_at IS NULL)"
)


def libfaketime():
    for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return str(path)
    return None


@pytest.mark.must_run
@pytest.mark.skipif(libfaketime() is None, reason="faketime is not installed")
def test_a_wall_clock_that_jumps_loses_nothing(tmp_path):
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    home.environ |= {
        "LD_PRELOAD": libfaketime(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    with home.daemon() as daemon:
        daemon.wait_until_idle()  # no other process opens the new index before: libfaketime breaks time.sleep
        for number, offset in enumerate(["+0", "+10y", "-20y", "+1d", "-1h", "+0"]):
            clock.write_text(offset)
            write_picture(home.photos / f"{number}.png", number)
            (home.photos / f"broken-{number}.png").write_bytes(b"not a picture %d" % number)
            until(lambda: differences(home) == [])
            write_picture(home.photos / "0.png", 100 + number)  # edited in place
            os.rename(home.photos / f"{number}.png", home.photos / f"moved-{number}.png")
            until(lambda: differences(home) == [])
            with home.index() as store:
                # every picture that is there is described, at whatever time the clock stood
                until(lambda: store.row(LEFT) == (0,))
                assert store.problems() == []
        with home.index() as store:  # it did jump
            assert store.row("SELECT max(last_seen) - min(last_seen) > 29 * 365 * 86400 FROM photo") == (1,)
        assert b"moved-5.png" in home.imgret("query", "in:photos").stdout
    assert "Traceback" not in daemon.log(), daemon.log()
