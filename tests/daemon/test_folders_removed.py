"""Folders that are removed under a running daemon, and names that change while it describes."""

import os
import threading
import time

from waiting import until

from testbed.index_check import differences
from testbed.small_pngs import write_picture


def names(home):
    return {os.path.relpath(os.fsdecode(path), home.photos) for path in home.indexed()}


def test_a_watched_folder_outlives_the_removal_of_the_one_above(home, daemon):
    (home.photos / "in").mkdir()
    write_picture(home.photos / "in/1.png", 1)
    write_picture(home.photos / "2.png", 2)
    home.configure([home.photos / "in", home.photos])
    daemon.request("reload")
    until(lambda: names(home) == {"in/1.png", "2.png"})
    assert b"1 photo removed from the index" in home.imgret("remove", str(home.photos)).stderr
    assert names(home) == {"in/1.png"}
    write_picture(home.photos / "4.png", 4)
    write_picture(home.photos / "in/3.png", 3)
    until(lambda: names(home) == {"in/1.png", "in/3.png"})
    with home.index() as store:
        assert [root.path for root in store.roots.all()] == [os.fsencode(home.photos / "in")]
    assert home.imgret("add", str(home.photos)).returncode == 0
    until(lambda: differences(home) == [] and len(names(home)) == 4)
    done = home.imgret("remove", str(home.photos / "in"))  # it is still in the other one
    assert (done.returncode, b"its photos stay" in done.stderr) == (0, True)
    assert len(names(home)) == 4


def test_a_folder_removed_while_it_is_scanned_is_reported_as_removed(home, daemon):
    for number in range(1500):
        (home.photos / f"{number}.jpg").write_bytes(b"%d" % number)
    until(lambda: len(home.indexed()) > 0)
    assert home.imgret("remove", str(home.photos)).returncode == 0
    daemon.wait_until_idle()
    assert home.indexed() == {}
    assert home.imgret("folders").stdout == b""


def test_names_that_rotate_while_it_describes_are_all_described_in_the_end(home, daemon):
    count = 30
    for number in range(count):
        write_picture(home.photos / f"{number}.png", number)
    stop = threading.Event()

    def rotate():
        while not stop.is_set():
            for number in range(count):
                os.rename(home.photos / f"{number}.png", home.photos / f".{number}")
            for number in range(count):
                os.rename(home.photos / f".{number}", home.photos / f"{(number + 1) % count}.png")

    def described():
        with home.index() as store:
            contents = [row[0] for row in store.rows("SELECT content FROM photo WHERE gone_at IS NULL")]
            assert store.failures.all() == []
            return len(contents) == count and all(c and store.results.pixels(c) for c in contents)

    rotating = threading.Thread(target=rotate)
    rotating.start()
    try:
        until(lambda: len(home.indexed()) > count // 2)
        time.sleep(1)
    finally:
        stop.set()
        rotating.join()
    until(lambda: differences(home) == [] and described())
