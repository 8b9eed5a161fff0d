"""The file systems of folders: recorded mount tables, and real mounts in a separate namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret import mounts
from imgret.mounts import (
    mounts_below,
    network_mounts,
    parse_mounts,
    root_health,
    root_identity,
)

TABLE = rb"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
40 22 0:35 / /mnt/nas rw,relatime shared:20 - nfs4 server:/export/photos rw,vers=4.2
41 22 0:36 /sub /media/my\040disk\134x rw - fuse.sshfs me@host:/photos rw
42 22 7:0 / /media/two\012lines rw master:1 propagate_from:2 - vfat /dev/loop0 rw

not a line
"""


def test_parse_a_mount_table() -> None:
    root, nas, disk, lines = parse_mounts(TABLE)
    assert (root.device, root.inside, root.point, root.kind, root.source) == (
        "259:2",
        b"/",
        b"/",
        "ext4",
        b"/dev/nvme0n1p2",
    )
    assert (nas.kind, nas.source) == ("nfs4", b"server:/export/photos")
    assert (disk.point, disk.inside, disk.kind) == (b"/media/my disk\\x", b"/sub", "fuse.sshfs")
    assert (lines.point, lines.kind) == (b"/media/two\nlines", "vfat")


def test_network_file_systems_are_found_at_a_folder_above_it_and_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_bytes(TABLE)
    monkeypatch.setattr(mounts, "_MOUNTS", str(tmp_path / "mountinfo"))
    assert network_mounts(b"/mnt/nas") == {b"/mnt/nas"}
    assert network_mounts(b"/mnt/nas/2021") == {b"/mnt/nas/2021"}
    assert network_mounts(b"/") == {b"/mnt/nas", b"/media/my disk\\x"}
    assert network_mounts(b"/mnt/na") == network_mounts(b"/home") == set()
    assert network_mounts(b"/media/two\nlines") == set()
    assert mounts_below(b"/media") == {b"my disk\\x", b"two\nlines"}


def test_a_hidden_mount_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_bytes(TABLE.rstrip() + b"\n43 22 0:40 / /media rw - tmpfs covers rw\n")
    monkeypatch.setattr(mounts, "_MOUNTS", str(tmp_path / "mountinfo"))
    assert mounts_below(b"/") == {b"mnt/nas", b"media"}
    assert network_mounts(b"/media") == set()


@given(st.binary())
def test_any_table_is_parsed(table: bytes) -> None:
    assert isinstance(parse_mounts(table), list)


def test_identity_of_a_local_folder(tmp_path: Path) -> None:
    here = os.fsencode(tmp_path)
    assert network_mounts(b"/proc") == set()
    assert root_identity(here) == root_identity(here)
    assert root_identity(here) != root_identity(os.path.dirname(here))
    (tmp_path / "link").symlink_to(tmp_path)
    assert root_identity(here + b"/link") == root_identity(here)


def test_health(tmp_path: Path) -> None:
    here = os.fsencode(tmp_path)
    identity = root_identity(here)
    (tmp_path / "a.jpg").write_text("")
    assert root_health(here, identity, photos=True).online
    os.unlink(tmp_path / "a.jpg")
    assert root_health(here, identity).online
    (tmp_path / "lost+found").mkdir()
    found = root_health(here, identity, photos=True)
    assert not found.online
    assert (
        found.reason
        == f"{tmp_path} is empty but had photos; mount its disk, or run `imgret remove` to forget them"
    )
    assert "another disk" in str(root_health(here, "ext4:0123 /elsewhere").reason)
    assert "No such file" in str(root_health(here + b"/gone", identity).reason)
    (tmp_path / "file").write_text("")
    assert "is not a folder" in str(root_health(here + b"/file", identity).reason)


MOUNTING = """
import os, subprocess, sys
from imgret.mounts import root_health, root_identity
base = sys.argv[1]
point, other = os.path.join(base, "point").encode(), os.path.join(base, "other").encode()
def run(*command):
    subprocess.run(command, check=True)
bare = root_identity(point)
run("mount", "-t", "tmpfs", "stick", point)
run("touch", point + b"/a.jpg")
plugged = root_identity(point)
print(plugged != bare, root_health(point, plugged, photos=True).online)
run("umount", point)
print(root_health(point, plugged, photos=False).reason)
run("mount", "-t", "tmpfs", "stick", point)
print(root_identity(point) == plugged, root_health(point, plugged, photos=True).reason)
run("umount", point)
run("mount", "--bind", other, point)
bound = root_identity(point)
print(bound != bare, bound == root_identity(other), root_health(point, bound, photos=True).online)
run("umount", point)
print(root_health(point, bound).reason)
"""


@pytest.mark.must_run
def test_real_disks_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    """A loop device and a bind mount, in a mount namespace of this test."""
    enter = ["unshare", "--mount", "--user", "--map-root-user"]
    if os.geteuid() == 0:
        enter = ["unshare", "--mount"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody have a mount namespace of their own")
    (tmp_path / "point").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.jpg").write_text("")
    command = [*enter, sys.executable, "-c", MOUNTING, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    another = f"{tmp_path}/point is now on another disk; run `imgret add` to accept that"
    assert found == [
        "True True",
        another,
        "True "
        + f"{tmp_path}/point is empty but had photos; mount its disk, or run `imgret remove` to forget them",
        "True True True",
        another,
    ]
