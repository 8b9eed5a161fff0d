"""The folders that were indexed or are watched, and whether their disks are available."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from imgret.store.paths import relative
from imgret.store.postgres import pg_root_paths as root_paths
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_errors import translated_errors
from imgret.store.postgres.pg_root_paths import REPLACING
from imgret.store.records import MountPoint, Root

_OWN = "root = %s AND worker = this_worker()"  # a row of this worker for a root

_COLUMNS = "id, path, filesystem, watched, online, reason, scanned_at, here"


class Roots:
    """Implements `imgret.store.interface.files.Roots`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Root]:
        with self._connection.reading() as db:
            return [
                _root(row)
                for row in db.execute(f"SELECT {_COLUMNS} FROM root_here WHERE NOT removed ORDER BY path")
            ]

    def root_of(self, path: bytes) -> tuple[Root, bytes, bytes] | None:
        for root in sorted(self._every(), key=lambda root: (root.here, len(root.path)), reverse=True):
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
        filesystem: str | None = None,
        separate: bool = False,
    ) -> Root:
        with self._connection.writing() as db:
            id_ = (
                root_paths.separate(db, path, filesystem)
                if separate
                else root_paths.found(db, path, filesystem)
            )
            if watched is not None:
                db.execute(f"UPDATE root_seen SET watched = %s WHERE {_OWN}", (watched, id_))
                db.execute(
                    "UPDATE root SET watched = EXISTS (SELECT 1 FROM root_seen WHERE root = id AND watched)"
                    " WHERE id = %s",
                    (id_,),
                )
            for inner in self._every():
                inside = relative(path, inner.path)
                # What only other hosts have at such a path is no part of this folder.
                if inside and inner.here:
                    root_paths.merged(db, id_, inner.id, inside)
            return self._of(id_)

    def move(self, root: int, path: bytes) -> None:
        with self._connection.writing() as db:
            if db.execute("SELECT 1 FROM root WHERE id = %s", (root,)).get is None:
                return  # or what is at `path` would be taken for that of another host
            root_paths.placed(db, root, path)
            db.execute(
                f"UPDATE root_seen SET filesystem = NULL, online = true, reason = NULL WHERE {_OWN}", (root,)
            )
            self.forget_mounts(root, b"")

    @contextlib.contextmanager
    def scanning(self, root: int) -> Iterator[bool]:
        """A lock of the session: the server releases it when the connection ends."""
        with translated_errors(self._connection.path):
            key = self._connection.number("SELECT hashtextextended(current_schema(), %s)", (root,))
            taken = self._connection.row("SELECT pg_try_advisory_lock(%s)", (key,))
            db = self._connection.db
            try:
                yield bool(taken and taken[0])
            finally:
                if taken and taken[0] and not db.closed:
                    with contextlib.suppress(psycopg.OperationalError):
                        db.execute("SELECT pg_advisory_unlock(%s)", (key,))

    def is_active(self, root: int) -> bool:
        return self._connection.row("SELECT 1 FROM root WHERE id = %s AND NOT removed", (root,)) is not None

    def enclosing(self, path: bytes) -> tuple[Root, bytes] | None:
        for root in sorted(self.all(), key=lambda root: not root.here):
            inside = relative(root.path, path)
            if inside is not None and (root.here or not inside):
                return root, inside
        return None

    def mark_online(self, root: int, filesystem: str | None) -> None:
        with self._connection.writing() as db:
            self._look(root)
            seen = "online = true, reason = NULL, filesystem = coalesce(%s, filesystem)"
            db.execute(f"UPDATE root SET {seen} WHERE id = %s", (filesystem, root))
            db.execute(f"UPDATE root_seen SET {seen} WHERE {_OWN}", (filesystem, root))

    def accept_any_filesystem(self, path: bytes) -> None:
        with self._connection.writing() as db:
            for root in self.all():
                inside = relative(root.path, path)
                if inside is not None:
                    self._look(root.id)
                    if not inside:
                        db.execute(f"UPDATE root_seen SET filesystem = NULL WHERE {_OWN}", (root.id,))
                    self.forget_mounts(root.id, inside)

    def mark_offline(self, root: int, reason: str) -> None:
        with self._connection.writing() as db:
            self._look(root)
            db.execute(f"UPDATE root_seen SET online = false, reason = %s WHERE {_OWN}", (reason, root))

    def mounts(self, root: int) -> list[MountPoint]:
        rows = self._connection.rows(
            "SELECT folder, filesystem, reason FROM mount_here WHERE root = %s", (root,)
        )
        return [MountPoint(*row) for row in rows]

    def mark_mounted(self, root: int, folder: bytes, filesystem: str) -> None:
        with self._connection.writing() as db:
            self._look(root)
            db.execute(
                f"INSERT INTO mount VALUES (%s, this_worker(), %s, %s, NULL) {REPLACING}",
                (root, folder, filesystem),
            )

    def mark_unmounted(self, root: int, folder: bytes, reason: str) -> None:
        with self._connection.writing() as db:
            self._look(root)
            db.execute(f"UPDATE mount SET reason = %s WHERE {_OWN} AND folder = %s", (reason, root, folder))

    def forget_mounts(self, root: int, folder: bytes) -> None:
        with self._connection.writing() as db:
            self._look(root)
            db.execute(
                f"DELETE FROM mount WHERE {_OWN} AND (%s OR folder = %s OR (folder > %s AND folder < %s))",
                (root, not folder, folder, folder + b"/", folder + b"0"),
            )

    def mark_scanned(self, root: int, now: int) -> None:
        with self._connection.writing() as db:
            db.execute("UPDATE root SET scanned_at = %s WHERE id = %s", (now, root))

    def _look(self, root: int) -> None:
        """From now on this worker has rows of its own for a root: at first what it saw before."""
        with self._connection.writing() as db:
            if db.execute(f"SELECT 1 FROM root_seen WHERE {_OWN}", (root,)).fetchone() is None:
                path = db.execute("SELECT path FROM root_here WHERE id = %s", (root,)).get
                if path is not None:
                    root_paths.placed(db, root, path)

    def _of(self, root: int) -> Root:
        with self._connection.reading() as db:
            return _root(db.execute(f"SELECT {_COLUMNS} FROM root_here WHERE id = %s", (root,)).fetchone())

    def _every(self) -> list[Root]:
        rows = self._connection.rows_once(f"SELECT {_COLUMNS} FROM root_here ORDER BY path")
        return [_root(row) for row in rows]


def _root(row: tuple[object, ...] | None) -> Root:
    assert row is not None
    id_, path, filesystem, watched, online, reason, scanned_at, here = row
    return Root(id_, path, filesystem, bool(watched), bool(online), reason, scanned_at, bool(here))  # type: ignore[arg-type]
