"""The paths of photos, and the content at each path.

Descriptions, notes and vectors belong to the content. A move, a rename or a copy only adds a path to a known content.
An edit in place puts a new content at a known path; the new content gets the note of the old one if both show the same
image (see `notes`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from imgret.photo import FileStat, Photo
from imgret.store import paths, row_values
from imgret.store.fold import fold_bytes
from imgret.store.policy import MAX_ATTEMPTS, OTHER_INODE, PAUSES
from imgret.store.postgres import pg_roots as roots
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_notes import Notes
from imgret.store.postgres.pg_roots import AT, IN_FOLDER, Roots, below

# The columns of `row_values.photo`, and where they come from.
_PHOTO = (
    "photo.id, root.path, folder, name, size, mtime_ns, ctime_ns, inode, content,"
    f" {roots.ONLINE}, gone_at FROM photo JOIN root_here AS root ON root.id = photo.root"
)


class Photos:
    """Implements `imgret.store.interface.files.Photos`."""

    def __init__(self, connection: Connection, notes: Notes, roots: Roots) -> None:
        self._connection = connection
        self._notes = notes
        self._roots = roots

    def known(self, root: int, folder: bytes) -> dict[bytes, FileStat]:
        with self._connection.reading() as db:
            rows: Any = db.execute(
                "SELECT name, size, mtime_ns, ctime_ns, inode FROM photo"
                f" WHERE root = %s AND {IN_FOLDER} AND gone_at IS NULL",
                (root, folder, folder),
            )
            return {name: (size, mtime, ctime, inode) for name, size, mtime, ctime, inode in rows}  # type: ignore[misc]  # equal to a FileStat, at a third of the time

    def any_known(self, root: int, under: bytes = b"") -> bool:
        condition, values = below(under)
        sql = f"SELECT 1 FROM photo WHERE root = %s AND gone_at IS NULL{condition} LIMIT 1"
        return self._connection.row(sql, (root, *values)) is not None

    def known_folders(self, root: int, under: bytes = b"") -> set[bytes]:
        condition, values = below(under)
        sql = f"SELECT DISTINCT folder FROM photo WHERE root = %s AND gone_at IS NULL{condition}"
        return {folder for (folder,) in self._connection.rows(sql, (root, *values))}

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
        with self._connection.writing() as db:
            content = db.execute("SELECT id FROM content WHERE hash = %s", (hash_,)).get
            new = content is None
            if new:
                content = db.execute("INSERT INTO content (hash) VALUES (%s) RETURNING id", (hash_,)).get
            before: Any = db.execute(
                f"SELECT id, content, born FROM photo WHERE {AT}", (root, folder, folder, name)
            ).fetchone()
            photo = _put(db, root, folder, name, file_stat, content, now)
            db.execute(
                "UPDATE photo SET born = %s WHERE id = %s AND born IS DISTINCT FROM %s", (born, photo, born)
            )
            db.execute("DELETE FROM unreadable WHERE photo = %s", (photo,))
            if before is not None and before[1] not in (None, content):
                self._notes.replaced(photo=before[0], before=before[1], born=before[2], after=content)
            return content, new

    def content_at(self, root: int, folder: bytes, name: bytes) -> int | None:
        row = self._connection.row(
            f"SELECT content FROM photo WHERE {AT} AND gone_at IS NULL",
            (root, folder, folder, name),
        )
        return row[0] if row else None

    def suspect(self, path: bytes, content: int) -> bool:
        photo = self.find(path)
        with self._connection.writing() as db:
            if photo is not None and photo.content == content:
                db.execute("UPDATE photo SET inode = %s WHERE id = %s", (OTHER_INODE, photo.id))
            others = self.paths(content)
        return any(each.online and each.file_stat.inode != OTHER_INODE for each in others)

    def save_unreadable(
        self, root: int, folder: bytes, name: bytes, file_stat: FileStat, error: str, now: int
    ) -> bool:
        with self._connection.writing() as db:
            if self._connection.row(
                "SELECT 1 FROM photo JOIN unreadable ON unreadable.photo = photo.id WHERE gone_at IS NULL"
                f" AND {AT} AND (size, mtime_ns, ctime_ns, inode) = (%s, %s, %s, %s) AND not_before > %s",
                (root, folder, folder, name, *file_stat, now),
            ):
                return False
            photo = _put(db, root, folder, name, file_stat, self.content_at(root, folder, name), now)
            db.execute(
                "INSERT INTO unreadable AS u VALUES (%s, 1, %s, %s)"
                " ON CONFLICT (photo) DO UPDATE SET attempts = u.attempts + 1, error = excluded.error,"
                "  not_before = %s + CASE u.attempts WHEN 1 THEN %s WHEN 2 THEN %s WHEN 3 THEN %s ELSE %s END",
                (photo, now + PAUSES[0], error, now, *PAUSES[1:]),
            )
            return True

    def due_unreadable(self, root: int, now: int) -> list[tuple[bytes, bytes]]:
        rows = self._connection.rows(
            "SELECT folder, name FROM unreadable JOIN photo ON photo.id = unreadable.photo"
            " WHERE root = %s AND gone_at IS NULL AND attempts < %s"
            # A time further ahead than any pause was set before the clock was set back, so the pause is over.
            " AND (not_before <= %s OR not_before > %s)",
            (root, MAX_ATTEMPTS, now, now + 2 * PAUSES[-1]),
        )
        return [(folder, name) for folder, name in rows]

    def mark_deleted(self, root: int, folder: bytes, names: Iterable[bytes], now: int) -> int:
        with self._connection.writing() as db:
            return db.execute(
                f"UPDATE photo SET gone_at = %s WHERE root = %s AND {IN_FOLDER} AND name = ANY (%s::bytea[])"
                " AND gone_at IS NULL",
                (now, root, folder, folder, list(names)),
            ).rowcount

    def find(self, path: bytes) -> Photo | None:
        place = self._roots.root_of(path)
        if place is None:
            return None
        root, folder, name = place
        for photo in self._photos(AT, (root.id, folder, folder, name)):
            return photo
        return None

    def known_size(self, size: int) -> bool:
        return (
            self._connection.row(
                "SELECT 1 FROM photo WHERE size = %s AND content IS NOT NULL LIMIT 1", (size,)
            )
            is not None
        )

    def all_paths(self) -> Iterator[bytes]:
        last = 0
        while True:
            rows = list(
                self._connection.rows(
                    "SELECT photo.id, root.path, folder, name FROM photo JOIN root_here AS root ON root.id = photo.root"
                    " WHERE photo.id > %s AND gone_at IS NULL ORDER BY photo.id LIMIT 1000",
                    (last,),
                )
            )
            if not rows:
                return
            last = rows[-1][0]
            for _, root, folder, name in rows:
                yield paths.join(root, folder, name)

    def paths(self, content: int) -> list[Photo]:
        rows = self._connection.rows_before(
            f"SELECT content, {_PHOTO} WHERE content = ANY (%s::bigint[]) AND gone_at IS NULL", content
        )
        return sorted(map(row_values.photo, rows), key=lambda photo: (not photo.online, photo.path))

    def _photos(self, where: str, values: tuple[object, ...]) -> Iterator[Photo]:
        rows = self._connection.rows(f"SELECT {_PHOTO} WHERE {where}", values)
        return map(row_values.photo, rows)


def _put(
    db: Database,
    root: int,
    folder: bytes,
    name: bytes,
    file_stat: FileStat,
    content: int | None,
    now: int,
) -> int:
    """Save a photo, and return its id."""
    f = file_stat
    above: Any = db.execute("SELECT path FROM root WHERE id = %s", (root,)).get
    place = fold_bytes(os.path.join(above, folder, b"")) if above is not None else ""
    made = db.execute(
        "INSERT INTO photo (root, folder, name, folded_place, folded_name, size, mtime_ns, ctime_ns, inode, content,"
        " first_seen, last_seen) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (root, sha256(folder), name) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,"
        " ctime_ns = excluded.ctime_ns, inode = excluded.inode, content = excluded.content,"
        " last_seen = excluded.last_seen, gone_at = NULL RETURNING id",
        (
            root,
            folder,
            name,
            place,
            fold_bytes(name),
            f.size,
            f.mtime_ns,
            f.ctime_ns,
            f.inode,
            content,
            now,
            now,
        ),
    )
    return int(made.get)
