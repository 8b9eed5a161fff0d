"""Contents: images identified by the hashes of their bytes and pixels, and the deletion of unused ones.

The paths of contents are in `photos`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from imgret.photo import Facts, PhotoDate
from imgret.store.policy import KEEP_TOMBSTONES
from imgret.store.records import IMPORTED
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.notes import Notes
from imgret.store.sqlite.vectors import Vectors
from imgret.store.sqlite.work import update_date
from imgret.store.trait_rows import SIGNATURE


class Contents:
    """Implements `imgret.store.interface.files.Contents`."""

    def __init__(self, connection: Connection, notes: Notes, vectors: Vectors) -> None:
        self._connection = connection
        self._notes = notes
        self._vectors = vectors

    def hash_of(self, content: int) -> bytes | None:
        row = self._connection.row("SELECT hash FROM content WHERE id = ?", (content,))
        return row[0] if row else None

    def content_named(self, hash_: bytes) -> int | None:
        row = self._connection.row("SELECT id FROM content WHERE hash = ?", (hash_,))
        return int(row[0]) if row else None

    def copies(
        self, *, content: int | None = None, hash_: bytes | None = None, pixels: bytes | None = None
    ) -> list[int]:
        where = (
            "(hash = ?1 OR pixels = ?2 OR pixels IN (SELECT pixels FROM content WHERE id = ?3 OR hash = ?1))"
        )
        rows = self._connection.rows(
            f"SELECT id FROM content WHERE {where} AND id IS NOT ?3"
            " AND EXISTS (SELECT 1 FROM photo WHERE content = content.id AND gone_at IS NULL)"
            " ORDER BY hash = ?1 DESC, id",
            (hash_, pixels, content),
        )
        return [int(id_) for (id_,) in rows]

    def save_facts(self, content: int, facts: Facts, pixels: bytes, look: bytes | None = None) -> None:
        with self._connection.writing() as db:
            db.execute(
                "UPDATE content SET pixels = ?, look = ?, detail = ?, format = ?, width = ?, height = ?, taken_at = ?,"
                " camera = ?, latitude = ?, longitude = ?, truncated = ?, subsecond = ? WHERE id = ?",
                (
                    pixels,
                    look and look[:SIGNATURE],
                    look and (look[SIGNATURE:] or None),
                    *msgspec.structs.astuple(facts),
                    content,
                ),
            )
            self.save_date(content, _of_camera(facts))

    def save_date(self, content: int, date: PhotoDate | None) -> None:
        values = (date.at, date.source, date.precision, date.zone, date.subsecond) if date else (None,) * 5
        with self._connection.writing() as db:
            db.execute(
                "UPDATE content SET date = ?, date_source = ?, date_precision = ?, date_zone = ?, date_fraction = ?"
                " WHERE id = ?",
                (*values, content),
            )
            update_date(db, content)

    def date(self, content: int) -> PhotoDate | None:
        rows = self._connection.rows_of(
            "SELECT id, date, date_source, date_precision, date_zone, date_fraction"
            " FROM carray(?) CROSS JOIN content ON id = value WHERE date IS NOT NULL",
            content,
        )
        return PhotoDate(*rows[0]) if rows else None

    def save_position(self, content: int, position: tuple[float, float] | None) -> None:
        with self._connection.writing() as db:
            db.execute(
                "UPDATE content SET (latitude, longitude) = (?, ?) WHERE id = ?",
                (*(position or (None, None)), content),
            )

    def look(self, content: int) -> bytes | None:
        row = self._connection.row("SELECT look, detail FROM content WHERE id = ?", (content,))
        return row[0] + (row[1] or b"") if row and row[0] is not None else None

    def facts(self, content: int) -> Facts | None:
        rows = self._connection.rows_of(
            "SELECT id, format, width, height, taken_at, camera, latitude, longitude, truncated, subsecond"
            " FROM carray(?) CROSS JOIN content ON id = value WHERE format IS NOT NULL",
            content,
        )
        if not rows:
            return None
        row = rows[0]
        return msgspec.structs.replace(Facts(*row[:-2]), truncated=bool(row[-2]), subsecond=row[-1])

    def purge(self, now: int) -> int:
        with self._connection.writing() as db:
            self._notes.remember_places(now - KEEP_TOMBSTONES)
            db.execute("DELETE FROM photo WHERE gone_at < ?", (now - KEEP_TOMBSTONES,))
            db.execute("DELETE FROM root WHERE removed AND id NOT IN (SELECT root FROM photo)")
            orphans = [
                content
                for (content,) in db.execute(
                    "SELECT id FROM content WHERE id NOT IN (SELECT content FROM photo WHERE content IS NOT NULL)"
                    " AND id NOT IN (SELECT content FROM note)"
                    f" AND NOT EXISTS (SELECT 1 FROM tag WHERE tag.content = content.id AND stage = '{IMPORTED}')"
                )
            ]
            self.forget(orphans)
        return len(orphans)

    def forget(self, contents: Iterable[int]) -> None:
        with self._connection.writing() as db:
            for content in contents:
                self._vectors.remove(content)
                db.execute("DELETE FROM content WHERE id = ?", (content,))


def _of_camera(facts: Facts) -> PhotoDate | None:
    return None if facts.taken_at is None else PhotoDate(facts.taken_at, "exif", subsecond=facts.subsecond)
