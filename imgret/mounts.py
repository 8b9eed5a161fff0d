"""Identify the file system of a folder, and detect that it is missing or was replaced.

An unplugged disk leaves an empty mount point behind. This module prevents that from being treated as the
deletion of every photo.

For a disk that does not respond, the first call blocks for disk_calls.SILENCE_SECONDS; later calls return
immediately as long as the first one is stuck.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from msgspec import Struct

from imgret import disk_calls
from imgret.disk_calls import NotResponding
from imgret.limits import ignored, shortage

_MOUNTS = "/proc/self/mountinfo"  # proc_pid_mountinfo(5)
_BY_UUID = "/dev/disk/by-uuid"

# Other machines may change files there without an inotify event, so these are scanned by a timer.
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
# Their f_fsid (statfs(2)) is derived from the volume's UUID; elsewhere it is a device number or random.
_STABLE_FSID = frozenset({"ext2", "ext3", "ext4", "btrfs"})


class Mount(Struct, frozen=True):
    """One line of the mount table."""

    device: str  # "major:minor"
    inside: bytes  # the mounted folder within the file system
    point: bytes  # where it is mounted
    kind: str  # nfs4, ext4, fuse.sshfs, ...
    source: bytes  # device, server:/export, ...


class RootHealth(Struct, frozen=True):
    """Whether a watched folder is available, so that files missing below it were really deleted."""

    online: bool
    reason: str | None = None  # why it is not available


def parse_mounts(table: bytes) -> list[Mount]:
    """Parse a mountinfo file; malformed lines are skipped."""
    mounts = []
    for line in table.split(b"\n"):
        left, _, right = line.partition(b" - ")
        fields, tail = left.split(b" "), right.split(b" ")
        if len(fields) >= 6 and len(tail) >= 2:
            device, kind = fields[2].decode("ascii", "replace"), tail[0].decode("ascii", "replace")
            mounts.append(Mount(device, _unescape(fields[3]), _unescape(fields[4]), kind, _unescape(tail[1])))
    return mounts


def mounts_below(path: bytes) -> set[bytes]:
    """Return the mount points below `path`, relative to it, except those hidden by a later mount.

    Empty if the disk of `path` does not respond.
    """
    try:
        real = disk_calls.call(path, lambda: os.path.realpath(path))
    except NotResponding:
        return set()
    return {mount.point[len(real.rstrip(b"/")) + 1 :] for mount in _visible_below(real, _mounted())}


def network_mounts(real: bytes) -> set[bytes]:
    """Return the mount points of network file systems below `real`, and `real` itself if it is on one.

    `real` is a resolved path. Only the mount table is read, because an unreachable server would block.
    """
    mounts = _mounted()
    own, below = _mount_of(real, mounts), _visible_below(real, mounts)
    found = {mount.point for mount in below if mount.kind in _NETWORK}
    return found | ({real} if own and own.kind in _NETWORK else set())


def root_identity(path: bytes) -> str | None:
    """Return a name for a folder of a volume that stays the same after a reboot or replugging; None if unknown.

    Device numbers and names change, so the volume is identified by its UUID if it has one, else by the file
    behind its loop device, else by its type and source. The path within the volume is included, because an
    unmounted bind mount may reveal another folder of the same volume.
    """
    with ignored(NotResponding, OSError):
        return disk_calls.call(path, lambda: _identity(path))
    return None


def root_health(path: bytes, identity: str | None = None, *, photos: bool = False) -> RootHealth:
    """Return whether the watched folder exists, is readable and has the recorded `identity`.

    `photos`: the index has photos below the folder, so an empty folder is assumed to be an empty mount point.
    Call this before each batch of deletions is committed.
    """
    try:
        return disk_calls.call(path, lambda: _health(path, identity, photos=photos))
    except NotResponding as error:
        return RootHealth(online=False, reason=str(error))


def _identity(path: bytes) -> str | None:
    """Compute `root_identity` in the caller's thread. Raises OSError."""
    real = os.path.realpath(path)
    mount = _mount_of(real, _mounted())
    if mount is None:
        return None
    rest = b"" if real == mount.point else real[len(mount.point.rstrip(b"/")) + 1 :]
    place = os.path.join(mount.inside, rest) if rest else mount.inside
    return f"{_volume(mount)} {as_text(place)}"


def _health(path: bytes, identity: str | None, *, photos: bool) -> RootHealth:
    """Compute `root_health` in the caller's thread."""
    name = os.fsdecode(path)
    try:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            return RootHealth(online=False, reason=f"{name} is not a folder")
        with os.scandir(path) as entries:
            empty = all(entry.name == b"lost+found" for entry in entries)
        here = _identity(path) if identity is not None else None
    except OSError as error:
        if (short := shortage(error)) is not None:
            raise short from error
        return RootHealth(online=False, reason=f"{name} cannot be read: {error.strerror or error}")
    if here is not None and here != identity:
        return RootHealth(
            online=False, reason=f"{name} is now on another disk; run `imgret add` to accept that"
        )
    if photos and empty:
        return RootHealth(
            online=False,
            reason=f"{name} is empty but had photos; mount its disk, or run `imgret remove` to forget them",
        )
    return RootHealth(online=True)


def _mounted() -> list[Mount]:
    """Return the mount table; empty if there is none (not Linux)."""
    with ignored(OSError), open(_MOUNTS, "rb") as file:
        return parse_mounts(file.read())
    return []


def _mount_of(real: bytes, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that contains a resolved path."""
    best = None
    for mount in mounts:  # of two mounts at the same point, the later one hides the earlier one
        if _is_below(real, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _visible_below(real: bytes, mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts below a resolved path, except those hidden by a later mount."""
    visible: list[Mount] = []
    for mount in mounts:  # in the order in which they were mounted
        visible = [each for each in visible if not _is_below(each.point, mount.point)]
        if mount.point != real and _is_below(mount.point, real):
            visible.append(mount)
    return visible


def _volume(mount: Mount) -> str:
    if mount.kind in _STABLE_FSID:
        return f"{mount.kind}:{os.statvfs(mount.point).f_fsid:016x}"
    major, _, minor = mount.device.partition(":")
    if major != "0":  # a block device
        with ignored(OSError, ValueError):
            device = os.makedev(int(major), int(minor))
            for entry in os.scandir(_BY_UUID):
                if os.stat(entry.path).st_rdev == device:
                    return f"uuid:{entry.name}"
    with ignored(OSError), open(f"/sys/dev/block/{mount.device}/loop/backing_file", "rb") as file:
        return f"loop:{as_text(file.read().strip())}"
    return f"{mount.kind}:{as_text(mount.source)}"


def as_text(name: bytes) -> str:
    """Return a name as text that can be stored; different names give different texts."""
    return name.decode("utf-8", "backslashreplace")


def _is_below(path: bytes, point: bytes) -> bool:
    return path == point or path.startswith(point if point.endswith(b"/") else point + b"/")


def _unescape(field: bytes) -> bytes:
    r"""Decode the octal escapes of space, tab, newline and backslash in the mount table."""
    parts = field.split(b"\\")
    for at in range(1, len(parts)):
        code = parts[at][:3]
        if len(code) == 3 and all(48 <= digit <= 55 for digit in code) and int(code, 8) < 256:
            parts[at] = bytes([int(code, 8)]) + parts[at][3:]
        else:
            parts[at] = b"\\" + parts[at]
    return b"".join(parts)
