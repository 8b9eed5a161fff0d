"""Decoder processes that hang in a call to a disk, where not even SIGKILL ends them."""

import os
import time

import pytest
from faulty_disk import faulty_disk

from benchmarks.harness import write_picture
from imgret.decode import pool
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """The path of a picture that does not even open."""
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    monkeypatch.setattr(pool, "_KILLED_SECONDS", 0.3)
    source, mount = tmp_path / "source", tmp_path / "mount"
    source.mkdir()
    mount.mkdir()
    write_picture(source / "stuck.png", 1)
    write_picture(tmp_path / "fine.png", 2)
    with faulty_disk(str(source), str(mount), hang_stat="stuck.png"):
        yield bytes(mount / "stuck.png")
    for process in pool._hanging:
        process.wait(20)
    pool._hanging.clear()


def test_it_costs_its_file_and_no_other(stuck, tmp_path):
    with DecodePool(1, seconds=1.0) as pool:
        with pytest.raises(PhotoError, match="not decoded within 1 seconds") as told:
            pool.submit(stuck).result(30)
        assert told.value.transient
        assert pool.submit(bytes(tmp_path / "fine.png")).result(60).facts.format == "PNG"


def test_closing_does_not_wait_for_the_disk(stuck):
    pool = DecodePool(1, seconds=600.0)
    waiting = pool.submit(stuck)
    while not pool.pids():
        time.sleep(0.01)
    time.sleep(0.5)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 20
    with pytest.raises(PhotoError, match="decoding was stopped"):
        waiting.result(0)
