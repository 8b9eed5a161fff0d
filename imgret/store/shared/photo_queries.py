"""The paths of photos, and the content at each path.

Descriptions, notes and vectors belong to the content. A move, a rename or a copy only adds a path to a known content.
An edit in place puts a new content at a known path; the new content gets the note of the old one if both show the same
image (see `note_queries`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from imgret.photo import FileStat, Photo
from imgret.store import paths, row_values
from imgret.store.interface.files import Roots
from imgret.store.policy import MAX_ATTEMPTS, OTHER_INODE, PAUSES
from imgret.store.shared.dialect import Connection, Database, Queries
from imgret.store.shared.note_queries import NoteQueries

STEP = 1000  # paths that are read at once


class PhotoQueries(Queries, ABC):
    """Implements `imgret.store.interface.files.Photos`, but for `known`, `mark_deleted` and `_put`."""

    def __init__(self, connection: Connection, notes: NoteQueries, roots: Roots) -> None:
        super().__init__(connection)
        self._notes = notes
        self._roots = roots
        # The columns of `row_values.photo`, and where they come from.
        self._photo = (
            "photo.id, root.path, folder, name, size, mtime_ns, ctime_ns, inode, content,"
            f" {self._dialect.online}, gone_at FROM photo JOIN {self._dialect.root} ON root.id = photo.root"
        )

    @abstractmethod
    def _put(
        self,
        db: Database,
        place: tuple[int, bytes, bytes],
        file_stat: FileStat,
        content: int | None,
        now: int,
    ) -> int:
        """Save a photo at a place (root, folder, name), and return its id. A tombstone there is a photo again."""

    def any_known(self, root: int, under: bytes = b"") -> bool:
        condition, values = self._dialect.below(under)
        sql = f"SELECT 1 FROM photo WHERE root = ? AND gone_at IS NULL{condition} LIMIT 1"
        return self._row(sql, root, *values) is not None

    def known_folders(self, root: int, under: bytes = b"") -> set[bytes]:
        condition, values = self._dialect.below(under)
        sql = f"SELECT DISTINCT folder FROM photo WHERE root = ? AND gone_at IS NULL{condition}"
        return {folder for (folder,) in self._rows(sql, root, *values)}

    def save(
        self,
        root: int,
        folder: bytes,
        name: bytes,
        file_stat: FileStat,
        hash_: bytes,
        now: int,
        born: int | None = None,
    ) -> tuple[int, bool]:
        at, values = self._dialect.at(root, folder, name)
        with self._connection.writing() as db:
            content = db.execute(self._sql("SELECT id FROM content WHERE hash = ?"), (hash_,)).get
            new = content is None
            if new:
                content = db.execute(
                    self._sql("INSERT INTO content (hash) VALUES (?) RETURNING id"), (hash_,)
                ).get
            before = db.execute(f"SELECT id, content, born FROM photo WHERE {at}", values).fetchone()
            photo = self._put(db, (root, folder, name), file_stat, content, now)
            db.execute(
                self._sql("UPDATE photo SET born = ? WHERE id = ? AND born IS DISTINCT FROM ?"),
                (born, photo, born),
            )
            db.execute(self._sql("DELETE FROM unreadable WHERE photo = ?"), (photo,))
            if before is not None and before[1] not in (None, content):
                self._notes.replaced(photo=before[0], before=before[1], born=before[2], after=content)
            return content, new

    def content_at(self, root: int, folder: bytes, name: bytes) -> int | None:
        at, values = self._dialect.at(root, folder, name)
        row = self._row(f"SELECT content FROM photo WHERE {at} AND gone_at IS NULL", *values)
        return row[0] if row else None

    def suspect(self, path: bytes, content: int) -> bool:
        photo = self.find(path)
        with self._connection.writing() as db:
            if photo is not None and photo.content == content:
                db.execute(self._sql("UPDATE photo SET inode = ? WHERE id = ?"), (OTHER_INODE, photo.id))
            others = self.paths(content)
        return any(each.online and each.file_stat.inode != OTHER_INODE for each in others)

    def save_unreadable(
        self, root: int, folder: bytes, name: bytes, file_stat: FileStat, error: str, now: int
    ) -> bool:
        at, values = self._dialect.at(root, folder, name)
        with self._connection.writing() as db:
            if self._row(
                "SELECT 1 FROM photo JOIN unreadable ON unreadable.photo = photo.id WHERE gone_at IS NULL"
                f" AND {at} AND (size, mtime_ns, ctime_ns, inode) = (?, ?, ?, ?) AND not_before > ?",
                *values,
                *file_stat,
                now,
            ):
                return False
            content = self._content_of_unreadable(root, folder, name)
            photo = self._put(db, (root, folder, name), file_stat, content, now)
            db.execute(
                self._sql(
                    "INSERT INTO unreadable AS u (photo, attempts, not_before, error) VALUES (?, 1, ?, ?)"
                    " ON CONFLICT (photo) DO UPDATE SET attempts = u.attempts + 1, error = excluded.error,"
                    "  not_before = ? + CASE u.attempts WHEN 1 THEN ? WHEN 2 THEN ? WHEN 3 THEN ? ELSE ? END"
                ),
                (photo, now + PAUSES[0], error, now, *PAUSES[1:]),
            )
            return True

    def due_unreadable(self, root: int, now: int) -> list[tuple[bytes, bytes]]:
        rows = self._rows(
            "SELECT folder, name FROM unreadable JOIN photo ON photo.id = unreadable.photo"
            " WHERE root = ? AND gone_at IS NULL AND attempts < ?"
            # A time further ahead than any pause was set before the clock was set back, so the pause is over.
            " AND (not_before <= ? OR not_before > ?)",
            root,
            MAX_ATTEMPTS,
            now,
            now + 2 * PAUSES[-1],
        )
        return [(folder, name) for folder, name in rows]

    def find(self, path: bytes) -> Photo | None:
        place = self._roots.root_of(path)
        if place is None:
            return None
        root, folder, name = place
        at, values = self._dialect.at(root.id, folder, name)
        row = self._row(f"SELECT {self._photo} WHERE {at}", *values)
        return row_values.photo(row) if row else None

    def known_size(self, size: int) -> bool:
        return (
            self._row("SELECT 1 FROM photo WHERE size = ? AND content IS NOT NULL LIMIT 1", size) is not None
        )

    def all_paths(self) -> Iterator[bytes]:
        last = 0
        while rows := self._next_paths(last):
            last = rows[-1][0]
            for _, root, folder, name in rows:
                yield paths.join(root, folder, name)

    def paths(self, content: int) -> list[Photo]:
        rows = self._connection.rows_of(
            f"SELECT content, {self._photo} WHERE content {self._dialect.among} AND gone_at IS NULL", content
        )
        return sorted(map(row_values.photo, rows), key=lambda photo: (not photo.online, photo.path))

    def _content_of_unreadable(self, root: int, folder: bytes, name: bytes) -> int | None:
        """The content that is known at a path. That of a tombstone counts unless it is elsewhere: its note would be lost."""
        at, values = self._dialect.at(root, folder, name)
        row = self._row(f"SELECT content, gone_at IS NULL FROM photo WHERE {at}", *values)
        content: int | None
        content, there = row or (None, False)
        elsewhere = "SELECT 1 FROM photo WHERE content = ? AND gone_at IS NULL LIMIT 1"
        return content if there or self._row(elsewhere, content) is None else None

    def _next_paths(self, last: int) -> list[tuple[Any, ...]]:
        """The rows (id, root, folder, name) of the next photos after an id."""
        return list(
            self._rows(
                f"SELECT photo.id, root.path, folder, name FROM photo JOIN {self._dialect.root} ON root.id = photo.root"
                f" WHERE photo.id > ? AND gone_at IS NULL ORDER BY photo.id LIMIT {STEP}",
                last,
            )
        )
