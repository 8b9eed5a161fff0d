"""SIGKILL at any moment: no photo lost, none twice, no work stuck, the file sound."""

import os
import random
import time

import pytest

from testbed.home import WORDLLAMA, Home
from testbed.index_check import differences
from testbed.small_pngs import write_picture

PHOTOS = 300


def kill_again_and_again(tmp_path, kills, seed):
    rng = random.Random(seed)
    home = Home(WORDLLAMA, folder=tmp_path)
    daemon = home.daemon()
    made = 0
    for _ in range(kills):
        for _ in range(PHOTOS // kills + 1):
            write_picture(home.photos / f"{made}.png", made)
            made += 1
        if made % 5 == 0:
            os.rename(home.photos / f"{made - 1}.png", home.photos / f"moved{made}.png")
        daemon.spawn()
        # Most of these fall into the start-up scan, the hashing, the describing and the commits.
        time.sleep(rng.uniform(0.3, 2.2))
        daemon.kill()
        with home.index() as store:
            assert store.problems() == []
    with daemon:
        daemon.wait_until_idle()
        assert differences(home) == []
        with home.index() as store:
            assert store.problems() == []
            figures = store.summary.totals()
            assert (figures.described, figures.pending, figures.failed) == (made, 0, 0)
            assert store.work.waiting() == {}
            contents, vectors = (
                store.row(f"SELECT count(*), count(DISTINCT content) FROM {table}")
                for table in ("photo WHERE gone_at IS NULL", "vector WHERE view = 'passage'")
            )
            assert contents == (made, made)
            assert vectors[1] == made
    assert "Traceback" not in daemon.log()


def test_fifteen_kills(tmp_path):
    kill_again_and_again(tmp_path, 15, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills(tmp_path):
    kill_again_and_again(tmp_path, 200, seed=2)


def test_a_daemon_killed_while_it_is_alone_with_a_photo_sets_it_aside_after_five(tmp_path):
    """The attempt counts when it begins: what kills the process each time is not tried for ever."""
    home = Home(WORDLLAMA, folder=tmp_path)
    write_picture(home.photos / "1.png", 1)
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        daemon.kill()
        with home.index() as store:
            (content,) = store.row("SELECT content FROM photo")
            store.work.queue(content, ["embed"])
            assert len(store.work.claim(["embed"], 1, int(time.time()))) == 1
            for _ in range(4):
                store.work.recover()  # as the daemon does when it starts after a crash
                assert store.work.claim_suspect(["embed"], int(time.time())) is not None
            store.work.recover()
            assert store.work.claim_suspect(["embed"], int(time.time())) is None
        daemon.start()
        daemon.wait_until_idle()
