"""The folders that were indexed or are watched, and whether their disks are available."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from imgret.store.paths import relative
from imgret.store.records import MountPoint, Root
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.sqlite_dialect import below

_COLUMNS = "id, path, filesystem, watched, online, reason, scanned_at"


class Roots:
    """Implements `imgret.store.interface.files.Roots`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Root]:
        with self._connection.reading() as db:
            return [
                _root(row)
                for row in db.execute(f"SELECT {_COLUMNS} FROM root WHERE NOT removed ORDER BY path")
            ]

    def root_of(self, path: bytes) -> tuple[Root, bytes, bytes] | None:
        for root in sorted(self._every(), key=lambda root: len(root.path), reverse=True):
            inside = relative(root.path, path)
            if inside:
                folder, _, name = inside.rpartition(b"/")
                return root, folder, name
        return None

    def add(
        self,
        path: bytes,
        *,
        watched: bool | None = None,
        filesystem: str | None = None,  # noqa: ARG002 - of several hosts
        separate: bool = False,  # noqa: ARG002 - too
    ) -> Root:
        with self._connection.writing() as db:
            db.execute(
                "INSERT INTO root (path) VALUES (?) ON CONFLICT (path) DO UPDATE SET removed = 0", (path,)
            )
            if watched is not None:
                db.execute("UPDATE root SET watched = ? WHERE path = ?", (int(watched), path))
            row = db.execute(f"SELECT {_COLUMNS} FROM root WHERE path = ?", (path,)).fetchone()
            root = _root(row)
            for inner in self._every():
                inside = relative(path, inner.path)
                if inside:
                    db.execute(  # tombstones from the time before this root was removed and the inner one added
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
                    if not inner.online and inner.filesystem is not None:  # its photos stay offline
                        self.mark_mounted(root.id, inside, inner.filesystem)
                        self.mark_unmounted(root.id, inside, inner.reason or "it is not available")
                    db.execute("DELETE FROM root WHERE id = ?", (inner.id,))
            return root

    def move(self, root: int, path: bytes) -> None:
        with self._connection.writing() as db:
            db.execute(
                "UPDATE root SET path = ?, filesystem = NULL, online = 1, reason = NULL WHERE id = ?",
                (path, root),
            )
            self.forget_mounts(root, b"")

    @contextlib.contextmanager
    def scanning(self, root: int) -> Iterator[bool]:  # noqa: ARG002 - the same for all
        """The writer lock is held by one process."""
        yield True

    def is_active(self, root: int) -> bool:
        return self._connection.row("SELECT 1 FROM root WHERE id = ? AND NOT removed", (root,)) is not None

    def enclosing(self, path: bytes) -> tuple[Root, bytes] | None:
        for root in self.all():
            inside = relative(root.path, path)
            if inside is not None:
                return root, inside
        return None

    def mark_online(self, root: int, filesystem: str | None) -> None:
        with self._connection.writing() as db:
            db.execute(
                "UPDATE root SET online = 1, reason = NULL, filesystem = coalesce(?, filesystem) WHERE id = ?",
                (filesystem, root),
            )

    def accept_any_filesystem(self, path: bytes) -> None:
        with self._connection.writing() as db:
            db.execute("UPDATE root SET filesystem = NULL WHERE path = ?", (path,))
            for root in self.all():
                inside = relative(root.path, path)
                if inside is not None:
                    self.forget_mounts(root.id, inside)

    def mark_offline(self, root: int, reason: str) -> None:
        with self._connection.writing() as db:
            db.execute("UPDATE root SET online = 0, reason = ? WHERE id = ?", (reason, root))

    def mounts(self, root: int) -> list[MountPoint]:
        rows = self._connection.rows("SELECT folder, filesystem, reason FROM mount WHERE root = ?", (root,))
        return [MountPoint(*row) for row in rows]

    def mark_mounted(self, root: int, folder: bytes, filesystem: str) -> None:
        with self._connection.writing() as db:
            db.execute("INSERT OR REPLACE INTO mount VALUES (?, ?, ?, NULL)", (root, folder, filesystem))

    def mark_unmounted(self, root: int, folder: bytes, reason: str) -> None:
        with self._connection.writing() as db:
            db.execute("UPDATE mount SET reason = ? WHERE root = ? AND folder = ?", (reason, root, folder))

    def forget_mounts(self, root: int, folder: bytes) -> None:
        condition, values = below(folder)
        with self._connection.writing() as db:
            db.execute(f"DELETE FROM mount WHERE root = ?{condition}", (root, *values))

    def mark_scanned(self, root: int, now: int) -> None:
        with self._connection.writing() as db:
            db.execute("UPDATE root SET scanned_at = ? WHERE id = ?", (now, root))

    def _every(self) -> list[Root]:
        with self._connection.reading() as db:
            return [_root(row) for row in db.execute(f"SELECT {_COLUMNS} FROM root ORDER BY path")]


def _root(row: tuple[object, ...] | None) -> Root:
    assert row is not None
    id_, path, filesystem, watched, online, reason, scanned_at = row
    return Root(id_, path, filesystem, bool(watched), bool(online), reason, scanned_at)  # type: ignore[arg-type]
