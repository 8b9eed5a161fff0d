"""Remove a folder from the index, whether it is a root, contains roots, or is inside one.

Its photos become tombstones, so a folder that is added again within 30 days needs no new descriptions.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from imgret.store import paths
from imgret.store.folder_identity import folder_identity
from imgret.store.records import Root
from imgret.store.sqlite import roots
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.notes import Notes
from imgret.store.sqlite.results import Results
from imgret.store.sqlite.roots import Roots


class Removal:
    """Implements `imgret.store.interface.files.Removal`."""

    def __init__(self, connection: Connection, notes: Notes, results: Results, roots: Roots) -> None:
        self._connection = connection
        self._notes = notes
        self._results = results
        self._roots = roots

    def remove_folder(self, path: bytes, kept: Collection[bytes], now: int) -> int:
        if any(paths.relative(each, path) is not None for each in kept):
            return 0
        deleted = 0
        with self._connection.writing(durable=True) as db:
            for root in self._roots.all():
                part = paths.relative(root.path, path)
                if part is None and paths.relative(path, root.path) is None:
                    continue
                below_root = (paths.relative(root.path, each) for each in kept)
                inner = paths.outermost(folder for folder in below_root if folder is not None)
                if b"" in inner or any(paths.relative(each, root.path) is not None for each in kept):
                    continue
                deleted += self._mark_deleted(root, part or b"", inner, now)
                if not part:
                    for folder in inner:
                        self._split_off(root, folder)
                    db.execute("UPDATE root SET removed = 1, watched = 0 WHERE id = ?", (root.id,))
        return deleted

    def _mark_deleted(self, root: Root, part: bytes, kept: Collection[bytes], now: int) -> int:
        """Mark the photos at or below `part` of a root as deleted, except those in `kept`. Returns how many."""
        scopes = [roots.below(part), *(roots.below(folder) for folder in kept)]
        where = "root = ? AND gone_at IS NULL" + scopes[0][0]
        where += "".join(f" AND NOT (1{condition})" for condition, _ in scopes[1:])
        values = (root.id, *(value for _, given in scopes for value in given))
        with self._connection.writing() as db:
            copies = self._connection.rows(
                f"SELECT DISTINCT content FROM photo WHERE {where} AND EXISTS (SELECT 1 FROM photo other"
                " WHERE other.content = photo.content AND other.id <> photo.id AND other.gone_at IS NULL)",
                values,
            )
            renamed = [content for (content,) in copies]
            db.execute(f"UPDATE photo SET gone_at = {int(now)} WHERE {where}", values)
            deleted = db.changes()
            for content in renamed:  # index the names of their remaining paths only
                self._results.refresh_words(content)
            self._notes.requeue_edits()
            return deleted

    def _split_off(self, root: Root, folder: bytes) -> None:
        """Make a folder of a root a watched root of its own, tombstones and mounts included."""
        condition, values = roots.below(folder)
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
