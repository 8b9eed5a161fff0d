"""What a folder stands on: its file system, and whether that is still the one we know.

A disk that does not answer costs whoever asks diskcalls.SILENCE_SECONDS once, and nothing while it is still stuck.

A disk that was unplugged leaves an empty mount point behind, and reading that as "every photo was
deleted" is the mistake that this module exists to prevent.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from msgspec import Struct

from imgret import disk_calls
from imgret.disk_calls import NotAnswering

_MOUNTS = "/proc/self/mountinfo"  # proc_pid_mountinfo(5)
_BY_UUID = "/dev/disk/by-uuid"

# Others may change files there without the kernel telling us: no events, look by a timer.
_NETWORK = frozenset(
    [
        "9p",
        "afs",
        "acfs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "glusterfs",
        "gfs2",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb2",
        "smb3",
        "smbfs",
        "virtiofs",
        "vboxsf",
        "vmhgfs",
        "prl_fs",
        "fuse.sshfs",
        "fuse.rclone",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.gvfsd-fuse",
        "fuse.vmhgfs-fuse",
        "fuse.smbnetfs",
        "fuse.curlftpfs",
    ]
)
# Their f_fsid (statfs(2)) is made of the volume's UUID; the others' is a device number or random.
_LASTING_FSID = frozenset({"ext2", "ext3", "ext4", "btrfs"})


class Mount(Struct, frozen=True):
    """One line of the mount table."""

    device: str  # "major:minor"
    inside: bytes  # the folder of the file system that is mounted here
    point: bytes  # where it is mounted
    kind: str  # nfs4, ext4, fuse.sshfs, ...
    source: bytes  # device, server:/export, ...


class RootHealth(Struct, frozen=True):
    """Whether what is missing below a watched folder may be believed to be deleted."""

    online: bool
    reason: str | None = None  # why not


def parse_mounts(table: bytes) -> list[Mount]:
    """The lines of a mountinfo file; lines that cannot be read are left out."""
    mounts = []
    for line in table.split(b"\n"):
        left, _, right = line.partition(b" - ")
        fields, tail = left.split(b" "), right.split(b" ")
        if len(fields) >= 6 and len(tail) >= 2:
            device, kind = fields[2].decode("ascii", "replace"), tail[0].decode("ascii", "replace")
            mounts.append(Mount(device, _plain(fields[3]), _plain(fields[4]), kind, _plain(tail[1])))
    return mounts


def mounts_below(path: bytes) -> set[bytes]:
    """The folders below `path`, relative to it, on which something is mounted that can be seen there.

    Empty when the disk of `path` does not answer.
    """
    try:
        real = disk_calls.call(path, lambda: os.path.realpath(path))
    except NotAnswering:
        return set()
    return {mount.point[len(real.rstrip(b"/")) + 1 :] for mount in _seen_below(real, _mounted())}


def network_mounts(real: bytes) -> set[bytes]:
    """`real` itself when it lies on a network file system, and the mount points of such below it.

    `real` is a resolved path, and no disk is asked: a server that is away would keep us waiting.
    """
    mounts = _mounted()
    own, below = _above(real, mounts), _seen_below(real, mounts)
    found = {mount.point for mount in below if mount.kind in _NETWORK}
    return found | ({real} if own and own.kind in _NETWORK else set())


def root_identity(path: bytes) -> str | None:
    """Which folder of which volume this is; the same after a reboot or a replug. None: cannot be told.

    Device numbers and names are dealt anew each time, so the volume is named by its UUID where it has
    one, else by the file behind its loop device, else by its type and source. The place within the
    volume belongs to it: when a bind mount goes, what shows may be another folder of the same volume.
    """
    try:
        return disk_calls.call(path, lambda: _identity(path))
    except (NotAnswering, OSError):
        return None


def root_health(path: bytes, identity: str | None = None, *, photos: bool = False) -> RootHealth:
    """Whether the watched folder is there, readable, and the one whose `identity` was recorded.

    With `photos`, some are known to lie below it: then an empty folder is taken for an empty mount
    point. Ask before each batch of deletions is committed.
    """
    try:
        return disk_calls.call(path, lambda: _health(path, identity, photos=photos))
    except NotAnswering as error:
        return RootHealth(online=False, reason=str(error))


def _identity(path: bytes) -> str | None:
    """`root_identity`, on the caller's thread. Raises OSError."""
    real = os.path.realpath(path)
    mount = _above(real, _mounted())
    if mount is None:
        return None
    rest = b"" if real == mount.point else real[len(mount.point.rstrip(b"/")) + 1 :]
    place = os.path.join(mount.inside, rest) if rest else mount.inside
    return f"{_volume(mount)} {os.fsdecode(place)}"


def _health(path: bytes, identity: str | None, *, photos: bool) -> RootHealth:
    """`root_health`, on the caller's thread."""
    name = os.fsdecode(path)
    try:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            return RootHealth(online=False, reason=f"{name} is not a folder")
        with os.scandir(path) as entries:
            empty = all(entry.name == b"lost+found" for entry in entries)
        here = _identity(path) if identity is not None else None
    except OSError as error:
        return RootHealth(online=False, reason=f"{name} cannot be read: {error.strerror or error}")
    if here is not None and here != identity:
        return RootHealth(
            online=False, reason=f"{name} lies on another disk than it did; `imgret add` accepts it"
        )
    if photos and empty:
        return RootHealth(
            online=False, reason=f"{name} is empty, though it held photos; `imgret remove` forgets them"
        )
    return RootHealth(online=True)


def _mounted() -> list[Mount]:
    """The mount table; empty where there is none (not Linux)."""
    try:
        with open(_MOUNTS, "rb") as file:
            return parse_mounts(file.read())
    except OSError:
        return []


def _above(real: bytes, mounts: Iterable[Mount]) -> Mount | None:
    """The mount on which a resolved path lies."""
    best = None
    for mount in mounts:  # of two on the same point the later one covers the earlier
        if _is_below(real, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _seen_below(real: bytes, mounts: Iterable[Mount]) -> list[Mount]:
    """The mounts below a resolved path; those that another one covers are left out."""
    seen: list[Mount] = []
    for mount in mounts:  # in the order in which they were mounted
        seen = [each for each in seen if not _is_below(each.point, mount.point)]
        if mount.point != real and _is_below(mount.point, real):
            seen.append(mount)
    return seen


def _volume(mount: Mount) -> str:
    if mount.kind in _LASTING_FSID:
        return f"{mount.kind}:{os.statvfs(mount.point).f_fsid:016x}"
    major, _, minor = mount.device.partition(":")
    if major != "0":  # a block device
        with contextlib.suppress(OSError, ValueError):
            device = os.makedev(int(major), int(minor))
            for entry in os.scandir(_BY_UUID):
                if os.stat(entry.path).st_rdev == device:
                    return f"uuid:{entry.name}"
    with contextlib.suppress(OSError), open(f"/sys/dev/block/{mount.device}/loop/backing_file", "rb") as file:
        return f"loop:{os.fsdecode(file.read().strip())}"
    return f"{mount.kind}:{os.fsdecode(mount.source)}"


def _is_below(path: bytes, point: bytes) -> bool:
    return path == point or path.startswith(point if point.endswith(b"/") else point + b"/")


def _plain(field: bytes) -> bytes:
    r"""Undo the table's octal escapes of space, tab, newline and backslash."""
    parts = field.split(b"\\")
    for at in range(1, len(parts)):
        code = parts[at][:3]
        if len(code) == 3 and all(48 <= digit <= 55 for digit in code) and int(code, 8) < 256:
            parts[at] = bytes([int(code, 8)]) + parts[at][3:]
        else:
            parts[at] = b"\\" + parts[at]
    return b"".join(parts)
