"""Decoder processes that hang in a call to a disk, where even SIGKILL does not end them."""

import os
import time

import pytest
from faulty_disk import faulty_disk

from imgret import confined_process
from imgret.decode.pool import DecodePool
from imgret.errors import PhotoError
from testbed.small_pngs import write_picture


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """Return the path of a file whose open() never returns."""
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    monkeypatch.setattr(confined_process, "_KILLED_SECONDS", 0.3)
    source, mount = tmp_path / "source", tmp_path / "mount"
    source.mkdir()
    mount.mkdir()
    write_picture(source / "stuck.png", 1)
    write_picture(tmp_path / "fine.png", 2)
    with faulty_disk(str(source), str(mount), hang_stat="stuck.png"):
        yield bytes(mount / "stuck.png")
    for process in confined_process._hanging:
        process.wait(20)
    confined_process._hanging.clear()


def test_a_hanging_file_fails_alone(stuck, tmp_path):
    with DecodePool(1, seconds=1.0) as pool:
        with pytest.raises(PhotoError, match="not decoded within 1 seconds") as caught:
            pool.submit(stuck).result(30)
        assert caught.value.transient
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
