"""Removing a folder from the index in PostgreSQL."""

from __future__ import annotations

import os

from imgret.store.folder_identity import folder_identity
from imgret.store.postgres import pg_root_paths as root_paths
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_dialect import below
from imgret.store.records import Root
from imgret.store.shared.removal_queries import RemovalQueries


class Removal(RemovalQueries):
    """Implements `imgret.store.interface.files.Removal`."""

    _connection: Connection

    def _split_off(self, root: Root, folder: bytes) -> None:
        condition, values = below(folder)
        filesystem = folder_identity(root, self._roots.mounts(root.id), folder)
        with self._connection.writing() as db:
            new = root_paths.found(db, os.path.join(root.path, folder), filesystem)
            db.execute(
                "UPDATE root SET filesystem = %s, watched = true, online = %s, reason = %s, scanned_at = %s WHERE id = %s",
                (filesystem, root.online, root.reason, root.scanned_at, new),
            )
            db.execute(  # on each host that has the folder above
                "INSERT INTO root_seen (root, worker, filesystem, online, reason, path, watched)"
                " SELECT %s, worker, %s, online, reason, path || '/'::bytea || %s, watched FROM root_seen WHERE root = %s"
                " ON CONFLICT (root, worker) DO UPDATE SET filesystem = excluded.filesystem, online = excluded.online,"
                " reason = excluded.reason, watched = true",
                (new, filesystem, folder, root.id),
            )
            moved = f"substring(folder FROM {len(folder) + 2})"  # without `folder/`
            db.execute(  # tombstones from the time before the folder was part of this root
                f"DELETE FROM photo WHERE root = %s AND (folder, name) IN (SELECT {moved}, name FROM photo"
                f" WHERE root = %s{condition})",
                (new, root.id, *values),
            )
            db.execute(
                f"UPDATE photo SET root = %s, folder = {moved} WHERE root = %s{condition}",
                (new, root.id, *values),
            )
            db.execute("DELETE FROM mount WHERE root = %s AND folder = %s", (root.id, folder))
            db.execute(
                f"DELETE FROM mount WHERE root = %s AND folder IN (SELECT {moved} FROM mount WHERE root = %s{condition})",
                (new, root.id, *values),
            )
            db.execute(
                f"UPDATE mount SET root = %s, folder = {moved} WHERE root = %s{condition}",
                (new, root.id, *values),
            )
