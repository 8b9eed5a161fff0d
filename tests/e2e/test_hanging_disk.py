"""Every command on a disk with a folder that does not respond: it reports it and ends."""

import os
import time

import pytest
from command_line import imgret
from faulty_disk import faulty_disk

from imgret import disk_calls
from testbed.small_pngs import write_picture

QUICK = 20.0  # seconds, beside a busy machine: what is wrong here takes for ever


@pytest.fixture
def stuck(library, tmp_path, monkeypatch):
    """A folder whose calls hang, on a disk that responds otherwise."""
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    source, mount = tmp_path / "source", tmp_path / "mount"
    (source / "stuck").mkdir(parents=True)
    mount.mkdir()
    write_picture(source / "stuck" / "a.png", 1)
    write_picture(source / "b.png", 2)
    with faulty_disk(str(source), str(mount), hang_stat="stuck"):
        monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 0.5)
        yield mount / "stuck"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "{}/a.png"), 1),
        (("note", "{}/a.png", "words"), 3),
        (("index", "{}"), 3),
        (("add", "{}"), 3),
        (("remove", "{}"), 2),
        (("retry", "{}/a.png"), 2),
        (("query", "--like", "{}/a.png"), 3),
        (("query", "in:{} red"), 1),
    ],
)
def test_a_command_about_it(library, stuck, arguments, code):
    began = time.monotonic()
    done = imgret(*(argument.format(stuck) for argument in arguments))
    assert time.monotonic() - began < QUICK
    assert done.code == code, done.err
    if code == 3:
        assert f"{stuck}" in done.err
        assert "does not respond" in done.err


def test_commands_about_all_folders(library, stuck):
    library.config.write_text(f'folders = ["{stuck}", "{library.photos}"]\n' + library.config.read_text())
    began = time.monotonic()
    assert imgret("folders").out.splitlines() == sorted([bytes(stuck), bytes(library.photos)])
    looked = imgret("index")
    assert looked.code == 1
    assert f"{stuck}" in looked.err
    assert "does not respond" in imgret("doctor").out.decode()
    assert imgret("status", "--skipped").code == 0
    assert imgret("query", "red circle").code in (0, 1)
    assert time.monotonic() - began < 2 * QUICK
