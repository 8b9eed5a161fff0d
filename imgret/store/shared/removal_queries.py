"""Remove a folder from the index, whether it is a root, contains roots, or is inside one.

Its photos become tombstones, so a folder that is added again within 30 days needs no new descriptions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from imgret.store import paths
from imgret.store.interface.files import Roots
from imgret.store.records import Root
from imgret.store.shared.dialect import Connection, Queries
from imgret.store.shared.note_queries import NoteQueries


class RemovalQueries(Queries, ABC):
    """Implements `imgret.store.interface.files.Removal`, but for `_split_off`."""

    def __init__(
        self, connection: Connection, notes: NoteQueries, refresh_words: Callable[[int], None], roots: Roots
    ) -> None:
        """`refresh_words` is `Results.refresh_words`."""
        super().__init__(connection)
        self._notes = notes
        self._refresh_words = refresh_words
        self._roots = roots

    @abstractmethod
    def _split_off(self, root: Root, folder: bytes) -> None:
        """Make a folder of a root a watched root of its own, tombstones and mounts included."""

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
                    gone = self._sql("UPDATE root SET removed = true, watched = false WHERE id = ?")
                    db.execute(gone, (root.id,))
        return deleted

    def _mark_deleted(self, root: Root, part: bytes, kept: Collection[bytes], now: int) -> int:
        """Mark the photos at or below `part` of a root as deleted, except those in `kept`. Returns how many."""
        below, *excepted = [self._dialect.below(folder) for folder in (part, *kept)]
        where = "root = ? AND gone_at IS NULL" + below[0]
        where += "".join(f" AND NOT (true{condition})" for condition, _ in excepted)
        values = (root.id, *(value for _, given in (below, *excepted) for value in given))
        with self._connection.writing() as db:
            copies = self._rows(
                f"SELECT DISTINCT content FROM photo WHERE {where} AND EXISTS (SELECT 1 FROM photo other"
                " WHERE other.content = photo.content AND other.id <> photo.id AND other.gone_at IS NULL)",
                *values,
            )
            renamed = [content for (content,) in copies]
            deleted = self._number(f"SELECT count(*) FROM photo WHERE {where}", *values)
            db.execute(self._sql(f"UPDATE photo SET gone_at = ? WHERE {where}"), (now, *values))
            for content in renamed:  # index the names of their remaining paths only
                self._refresh_words(content)
            self._notes.requeue_edits()
            return deleted
