"""Remove a folder from the index, whether it is a root, contains roots, or is inside one.

Its photos become tombstones, so a folder that is added again within 30 days needs no new descriptions.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from imgret.store import paths
from imgret.store.folder_identity import folder_identity
from imgret.store.postgres import pg_root_paths as root_paths
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_notes import Notes
from imgret.store.postgres.pg_results import Results
from imgret.store.postgres.pg_roots import Roots, below
from imgret.store.records import Root


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
                    db.execute("UPDATE root SET removed = true, watched = false WHERE id = %s", (root.id,))
        return deleted

    def _mark_deleted(self, root: Root, part: bytes, kept: Collection[bytes], now: int) -> int:
        """Mark the photos at or below `part` of a root as deleted, except those in `kept`. Returns how many."""
        scopes = [below(part), *(below(folder) for folder in kept)]
        where = "root = %s AND gone_at IS NULL" + scopes[0][0]
        where += "".join(f" AND NOT (true{condition})" for condition, _ in scopes[1:])
        values = (root.id, *(value for _, given in scopes for value in given))
        with self._connection.writing() as db:
            copies = self._connection.rows(
                f"SELECT DISTINCT content FROM photo WHERE {where} AND EXISTS (SELECT 1 FROM photo other"
                " WHERE other.content = photo.content AND other.id <> photo.id AND other.gone_at IS NULL)",
                values,
            )
            renamed = [content for (content,) in copies]
            deleted = db.execute(f"UPDATE photo SET gone_at = {int(now)} WHERE {where}", values).rowcount
            for content in renamed:  # index the names of their remaining paths only
                self._results.refresh_words(content)
            self._notes.requeue_edits()
            return deleted

    def _split_off(self, root: Root, folder: bytes) -> None:
        """Make a folder of a root a watched root of its own, tombstones and mounts included."""
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
