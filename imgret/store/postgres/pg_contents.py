"""Contents in PostgreSQL: what is saved of them is written for all photos of a transaction together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgret.store.conditions import HAS_PHOTO
from imgret.store.postgres.pg_address import Database, storable
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_documents import Documents
from imgret.store.postgres.pg_pending_work import PendingWork
from imgret.store.shared.content_queries import ContentQueries
from imgret.store.shared.note_queries import NoteQueries

_TYPES = {  # of the columns of `content` that are saved after decoding
    **dict.fromkeys(("pixels", "look", "detail"), "bytea"),
    **dict.fromkeys(
        ("format", "camera", "subsecond", "date_source", "date_precision", "date_fraction"), "text"
    ),
    **dict.fromkeys(("width", "height", "taken_at", "date", "date_zone"), "bigint"),
    **dict.fromkeys(("latitude", "longitude"), "double precision"),
    "truncated": "boolean",
}


class Contents(ContentQueries):
    """Implements `imgret.store.interface.files.Contents`."""

    _connection: Connection

    def __init__(
        self, connection: Connection, notes: NoteQueries, documents: Documents, work: PendingWork
    ) -> None:
        super().__init__(connection, notes)
        self._documents = documents
        self._work = work
        self._changed: dict[int, dict[str, Any]] = {}  # content -> columns; see `pg_pending.Writer`

    def copies(
        self, *, content: int | None = None, hash_: bytes | None = None, pixels: bytes | None = None
    ) -> list[int]:
        # Not joined by OR, for which all contents would be read.
        alike = (
            "SELECT id FROM content WHERE hash = %(hash)s UNION SELECT id FROM content WHERE pixels = %(pixels)s"
            " UNION SELECT copy.id FROM content AS one JOIN content AS copy ON copy.pixels = one.pixels"
            " WHERE one.id = %(content)s::bigint OR one.hash = %(hash)s"
        )
        rows = self._connection.rows(
            f"SELECT id FROM content WHERE id IN ({alike}) AND id IS DISTINCT FROM %(content)s::bigint"
            f" AND {HAS_PHOTO.format('content.id')}"
            " ORDER BY coalesce(hash = %(hash)s, false) DESC, id",
            {"hash": hash_, "pixels": pixels, "content": content},
        )
        return [int(id_) for (id_,) in rows]

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

    def _columns(self, content: int, columns: Sequence[str]) -> list[Any] | None:
        """Also reads what is still to be written, without writing it."""
        changed = self._changed.get(content, {})
        if changed.keys() >= set(columns):
            return [changed[column] for column in columns]
        sql = f"SELECT id, {', '.join(columns)} FROM content WHERE id = ANY (%s::bigint[])"
        rows = self._connection.rows_before(sql, content)
        if not rows:
            return None
        return [changed.get(column, value) for column, value in zip(columns, rows[0], strict=True)]

    def _set(self, content: int, columns: Mapping[str, Any], *, dated: bool = False) -> None:
        stored = {
            name: storable(value) if isinstance(value, str) else value for name, value in columns.items()
        }
        self._changed.setdefault(content, {}).update(stored)
        self._connection.pending.contents.add(content)
        if dated:
            self._work.update_date(content)
