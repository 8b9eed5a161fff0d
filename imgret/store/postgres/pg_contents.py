"""Contents: images identified by the hashes of their bytes and pixels, and the deletion of unused ones.

The paths of contents are in `photos`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from imgret.photo import Facts, PhotoDate
from imgret.store.policy import KEEP_TOMBSTONES
from imgret.store.postgres.pg_address import Database, storable
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_documents import Documents
from imgret.store.postgres.pg_notes import Notes
from imgret.store.postgres.pg_pending_work import PendingWork
from imgret.store.records import IMPORTED
from imgret.store.trait_rows import SIGNATURE

_DATE = ("date", "date_source", "date_precision", "date_zone", "date_fraction")
_FACTS = (
    "format", "width", "height", "taken_at", "camera", "latitude", "longitude", "truncated", "subsecond",
)  # fmt: skip
_TYPES = {  # of the columns of `content` that are saved after decoding
    **dict.fromkeys(("pixels", "look", "detail"), "bytea"),
    **dict.fromkeys(
        ("format", "camera", "subsecond", "date_source", "date_precision", "date_fraction"), "text"
    ),
    **dict.fromkeys(("width", "height", "taken_at", "date", "date_zone"), "bigint"),
    **dict.fromkeys(("latitude", "longitude"), "double precision"),
    "truncated": "boolean",
}


class Contents:
    """Implements `imgret.store.interface.files.Contents`."""

    def __init__(self, connection: Connection, notes: Notes, documents: Documents, work: PendingWork) -> None:
        self._connection = connection
        self._notes = notes
        self._documents = documents
        self._work = work
        self._changed: dict[int, dict[str, Any]] = {}  # content -> columns; see `pg_pending.Writer`

    def hash_of(self, content: int) -> bytes | None:
        row = self._connection.row("SELECT hash FROM content WHERE id = %s", (content,))
        return row[0] if row else None

    def content_named(self, hash_: bytes) -> int | None:
        row = self._connection.row("SELECT id FROM content WHERE hash = %s", (hash_,))
        return int(row[0]) if row else None

    def copies(
        self, *, content: int | None = None, hash_: bytes | None = None, pixels: bytes | None = None
    ) -> list[int]:
        where = (
            "(hash = %(hash)s OR pixels = %(pixels)s"
            " OR pixels IN (SELECT pixels FROM content WHERE id = %(content)s::bigint OR hash = %(hash)s))"
        )
        rows = self._connection.rows(
            f"SELECT id FROM content WHERE {where} AND id IS DISTINCT FROM %(content)s::bigint"
            " AND EXISTS (SELECT 1 FROM photo WHERE photo.content = content.id AND gone_at IS NULL)"
            " ORDER BY coalesce(hash = %(hash)s, false) DESC, id",
            {"hash": hash_, "pixels": pixels, "content": content},
        )
        return [int(id_) for (id_,) in rows]

    def save_facts(self, content: int, facts: Facts, pixels: bytes, look: bytes | None = None) -> None:
        with self._connection.writing():
            self._set(
                content,
                pixels=pixels,
                look=look and look[:SIGNATURE],
                detail=look and (look[SIGNATURE:] or None),
                **msgspec.structs.asdict(facts),
            )
            self.save_date(content, _of_camera(facts))

    def save_date(self, content: int, date: PhotoDate | None) -> None:
        values = (date.at, date.source, date.precision, date.zone, date.subsecond) if date else (None,) * 5
        with self._connection.writing():
            self._set(content, **dict(zip(_DATE, values, strict=True)))
            self._work.update_date(content)

    def date(self, content: int) -> PhotoDate | None:
        row = self._columns(content, _DATE)
        return None if row is None or row[0] is None else PhotoDate(*row)

    def save_position(self, content: int, position: tuple[float, float] | None) -> None:
        latitude, longitude = position or (None, None)
        with self._connection.writing():
            self._set(content, latitude=latitude, longitude=longitude)

    def look(self, content: int) -> bytes | None:
        row = self._connection.row("SELECT look, detail FROM content WHERE id = %s", (content,))
        return row[0] + (row[1] or b"") if row and row[0] is not None else None

    def facts(self, content: int) -> Facts | None:
        row = self._columns(content, _FACTS)
        if row is None or row[0] is None:
            return None
        return msgspec.structs.replace(Facts(*row[:-2]), truncated=bool(row[-2]), subsecond=row[-1])

    def purge(self, now: int) -> int:
        with self._connection.writing() as db:
            self._notes.remember_places(now - KEEP_TOMBSTONES)
            db.execute("DELETE FROM photo WHERE gone_at < %s", (now - KEEP_TOMBSTONES,))
            db.execute("DELETE FROM root WHERE removed AND id NOT IN (SELECT root FROM photo)")
            orphans = [
                content
                for (content,) in db.execute(
                    "SELECT id FROM content WHERE NOT EXISTS (SELECT 1 FROM photo WHERE photo.content = content.id)"
                    " AND NOT EXISTS (SELECT 1 FROM note WHERE note.content = content.id)"
                    f" AND NOT EXISTS (SELECT 1 FROM tag WHERE tag.content = content.id AND stage = '{IMPORTED}')"
                )
            ]
            self.forget(orphans)
        return len(orphans)

    def forget(self, contents: Iterable[int]) -> None:
        with self._connection.writing() as db:
            for content in contents:
                self._documents.remove(content)
                db.execute("DELETE FROM content WHERE id = %s", (content,))

    def write_pending(self, db: Database) -> None:
        """See `pg_pending.Writer`."""
        pending, self._changed = self._changed, {}
        alike: dict[tuple[str, ...], list[int]] = {}  # the columns that change -> contents
        for content, values in pending.items():
            alike.setdefault(tuple(sorted(values)), []).append(content)
        for columns, contents in alike.items():
            arrays = ", ".join(f"%s::{_TYPES[column]}[]" for column in columns)
            names = ", ".join(columns)
            db.query(
                f"UPDATE content SET ({names}) = ROW ({', '.join(f'new.{column}' for column in columns)})"
                f" FROM unnest(%s::bigint[], {arrays}) AS new (id, {names}) WHERE content.id = new.id",
                (contents, *([pending[content][column] for content in contents] for column in columns)),
            )

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._changed.clear()

    def _columns(self, content: int, columns: tuple[str, ...]) -> list[Any] | None:
        """Return columns of a content, with what is still to be written; None if there is no such content."""
        changed = self._changed.get(content, {})
        if changed.keys() >= set(columns):
            return [changed[column] for column in columns]
        sql = f"SELECT id, {', '.join(columns)} FROM content WHERE id = ANY (%s::bigint[])"
        rows = self._connection.rows_before(sql, content)
        return (
            [changed.get(column, value) for column, value in zip(columns, rows[0], strict=True)]
            if rows
            else None
        )

    def _set(self, content: int, **columns: Any) -> None:
        """Change columns of a content. Within `writing()`."""
        stored = {
            name: storable(value) if isinstance(value, str) else value for name, value in columns.items()
        }
        self._changed.setdefault(content, {}).update(stored)
        self._connection.pending.contents.add(content)


def _of_camera(facts: Facts) -> PhotoDate | None:
    return None if facts.taken_at is None else PhotoDate(facts.taken_at, "exif", subsecond=facts.subsecond)
