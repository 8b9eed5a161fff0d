"""Removing a folder from the index in SQLite."""

from __future__ import annotations

import os

from imgret.store.folder_identity import folder_identity
from imgret.store.records import Root
from imgret.store.shared.removal_queries import RemovalQueries
from imgret.store.sqlite.sqlite_dialect import below


class Removal(RemovalQueries):
    """Implements `imgret.store.interface.files.Removal`."""

    def _split_off(self, root: Root, folder: bytes) -> None:
        condition, values = below(folder)
        filesystem = folder_identity(root, self._roots.mounts(root.id), folder)
        with self._connection.writing() as db:
            db.execute(
                "INSERT INTO root (path, filesystem, watched, online, reason, scanned_at) VALUES (?, ?, 1, ?, ?, ?)"
                " ON CONFLICT (path) DO UPDATE SET removed = 0, watched = 1",
                (os.path.join(root.path, folder), filesystem, int(root.online), root.reason, root.scanned_at),
            )
            new = self._connection.row(
                "SELECT id FROM root WHERE path = ?", (os.path.join(root.path, folder),)
            )
            assert new is not None
            moved = "CASE folder WHEN ? THEN x'' ELSE CAST(substr(folder, ?) AS BLOB) END"
            cut = (folder, len(folder) + 2)
            db.execute(
                f"UPDATE OR REPLACE photo SET root = ?, folder = {moved} WHERE root = ?{condition}",
                (new[0], *cut, root.id, *values),
            )
            db.execute("DELETE FROM mount WHERE root = ? AND folder = ?", (root.id, folder))
            db.execute(
                f"UPDATE OR REPLACE mount SET root = ?, folder = {moved} WHERE root = ?{condition}",
                (new[0], *cut, root.id, *values),
            )
