"""The folders that were indexed or are watched, and whether their disks are there."""

from __future__ import annotations

import os

from msgspec import Struct

from imgret.store.sqlite.connection import Index

# Conditions on a row of `photo`: it lies on a disk, mounted below its root, that is away; and, joined with
# `root`, it can be seen. The first EXISTS does not depend on the row: while nothing is away, it is all.
AWAY = (
    "(EXISTS (SELECT 1 FROM mount WHERE reason IS NOT NULL) AND EXISTS (SELECT 1 FROM mount"
    " WHERE mount.root = photo.root AND mount.reason IS NOT NULL AND substr(CAST(photo.folder || '/' AS BLOB),"
    " 1, length(mount.folder) + 1) = CAST(mount.folder || '/' AS BLOB)))"
)
ONLINE = f"(root.online AND NOT {AWAY})"


class Root(Struct, frozen=True):
    """A folder that was indexed or is watched."""

    id: int
    path: bytes  # absolute, resolved
    filesystem: str | None  # its identity when last seen
    watched: bool
    online: bool
    reason: str | None  # why it is offline
    scanned_at: int | None  # last full scan, seconds since 1970


class MountPoint(Struct, frozen=True):
    """A folder below a root on which another disk was mounted."""

    folder: bytes  # relative to the root
    filesystem: str  # its identity when last seen
    reason: str | None  # why it is offline; None while it is there


_COLUMNS = "id, path, filesystem, watched, online, reason, scanned_at"


def roots(index: Index) -> list[Root]:
    """Every root, by path; those that were removed are left out."""
    with index.reading() as db:
        return [
            _root(row) for row in db.execute(f"SELECT {_COLUMNS} FROM root WHERE NOT removed ORDER BY path")
        ]


def root_of(index: Index, path: bytes) -> tuple[Root, bytes, bytes] | None:
    """The innermost root above the file `path`, the file's folder relative to it, and its name.

    It may be one that was removed: its tombstones are still known.
    """
    for root in sorted(_every(index), key=lambda root: len(root.path), reverse=True):
        inside = relative(root.path, path)
        if inside:
            folder, _, name = inside.rpartition(b"/")
            return root, folder, name
    return None


def relative(root: bytes, path: bytes) -> bytes | None:
    """`path` seen from `root`: empty for the root itself, None for a path that is not inside."""
    if path == root:
        return b""
    above = root.rstrip(b"/") + b"/"
    return path[len(above) :] if path.startswith(above) else None


def add(index: Index, path: bytes, *, watched: bool | None = None) -> Root:
    """The root at `path` (absolute, resolved), made if need be; `watched` is left as it is when None.

    Roots do not overlap: those inside the new one are absorbed with their photos. For a path inside a
    root that is known already, ask `enclosing` first. One that was removed is a root again.
    """
    with index.writing() as db:
        db.execute("INSERT INTO root (path) VALUES (?) ON CONFLICT (path) DO UPDATE SET removed = 0", (path,))
        if watched is not None:
            db.execute("UPDATE root SET watched = ? WHERE path = ?", (int(watched), path))
        row = db.execute(f"SELECT {_COLUMNS} FROM root WHERE path = ?", (path,)).fetchone()
        root = _root(row)
        for inner in _every(index):
            inside = relative(path, inner.path)
            if inside:
                db.execute(  # tombstones, from before this root was removed and the inner one added
                    "DELETE FROM photo WHERE root = ?1 AND (folder, name) IN (SELECT"
                    " CAST(CASE folder WHEN x'' THEN ?2 ELSE ?2 || x'2f' || folder END AS BLOB), name"
                    " FROM photo WHERE root = ?3)",
                    (root.id, inside, inner.id),
                )
                db.execute(
                    "UPDATE photo SET root = ?1, folder = CAST(CASE folder WHEN x'' THEN ?2"
                    " ELSE ?2 || x'2f' || folder END AS BLOB) WHERE root = ?3",
                    (root.id, inside, inner.id),
                )
                db.execute(
                    "INSERT OR REPLACE INTO mount SELECT ?1, CAST(?2 || x'2f' || folder AS BLOB), filesystem,"
                    " reason FROM mount WHERE root = ?3",
                    (root.id, inside, inner.id),
                )
                if not inner.online and inner.filesystem is not None:  # as one that is away it stays
                    mark_mounted(index, root.id, inside, inner.filesystem)
                    mark_unmounted(index, root.id, inside, inner.reason or "it is away")
                db.execute("DELETE FROM root WHERE id = ?", (inner.id,))
        return root


def is_active(index: Index, root: int) -> bool:
    """Whether the root was neither removed nor absorbed by one above it, by whatever process."""
    return index.row("SELECT 1 FROM root WHERE id = ? AND NOT removed", (root,)) is not None


def enclosing(index: Index, path: bytes) -> tuple[Root, bytes] | None:
    """The root that is or holds the folder `path`, and the folder relative to it."""
    for root in roots(index):
        inside = relative(root.path, path)
        if inside is not None:
            return root, inside
    return None


def join(root: bytes, folder: bytes, name: bytes) -> bytes:
    """The absolute path of a photo."""
    return os.path.join(root, folder, name)


def mark_online(index: Index, root: int, filesystem: str | None) -> None:
    """The root is there, on this filesystem."""
    with index.writing() as db:
        db.execute(
            "UPDATE root SET online = 1, reason = NULL, filesystem = coalesce(?, filesystem) WHERE id = ?",
            (filesystem, root),
        )


def accept_any_filesystem(index: Index, path: bytes) -> None:
    """The owner says that what is at `path` may lie on another filesystem now, say on a new disk."""
    with index.writing() as db:
        db.execute("UPDATE root SET filesystem = NULL WHERE path = ?", (path,))
        for root in roots(index):
            inside = relative(root.path, path)
            if inside is not None:
                forget_mounts(index, root.id, inside)


def mark_offline(index: Index, root: int, reason: str) -> None:
    """The root is away: its photos stay searchable and are marked so."""
    with index.writing() as db:
        db.execute("UPDATE root SET online = 0, reason = ? WHERE id = ?", (reason, root))


def mounts(index: Index, root: int) -> list[MountPoint]:
    """Where other disks were mounted below a root."""
    rows = index.rows("SELECT folder, filesystem, reason FROM mount WHERE root = ?", (root,))
    return [MountPoint(*row) for row in rows]


def mark_mounted(index: Index, root: int, folder: bytes, filesystem: str) -> None:
    """On this folder of a root this filesystem is mounted now."""
    with index.writing() as db:
        db.execute("INSERT OR REPLACE INTO mount VALUES (?, ?, ?, NULL)", (root, folder, filesystem))


def mark_unmounted(index: Index, root: int, folder: bytes, reason: str) -> None:
    """The disk that was mounted here is away: its photos stay searchable and are marked so."""
    with index.writing() as db:
        db.execute("UPDATE mount SET reason = ? WHERE root = ? AND folder = ?", (reason, root, folder))


def forget_mounts(index: Index, root: int, folder: bytes) -> None:
    """What was mounted at this folder of a root, or below it, matters no more. Empty: all of the root."""
    with index.writing() as db:
        db.execute(
            "DELETE FROM mount WHERE root = ?1 AND (?2 = x'' OR folder = ?2 OR (folder > ?3 AND folder < ?4))",
            (root, folder, folder + b"/", folder + b"0"),
        )


def mark_scanned(index: Index, root: int, now: int) -> None:
    """A full scan of the root ended at `now`."""
    with index.writing() as db:
        db.execute("UPDATE root SET scanned_at = ? WHERE id = ?", (now, root))


def _every(index: Index) -> list[Root]:
    with index.reading() as db:
        return [_root(row) for row in db.execute(f"SELECT {_COLUMNS} FROM root ORDER BY path")]


def _root(row: tuple[object, ...] | None) -> Root:
    assert row is not None
    id_, path, filesystem, watched, online, reason, scanned_at = row
    return Root(id_, path, filesystem, bool(watched), bool(online), reason, scanned_at)  # type: ignore[arg-type]
