"""Contents in SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imgret.store.conditions import HAS_PHOTO
from imgret.store.shared.content_queries import ContentQueries
from imgret.store.shared.note_queries import NoteQueries
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.vectors import Vectors
from imgret.store.sqlite.work import update_date


class Contents(ContentQueries):
    """Implements `imgret.store.interface.files.Contents`."""

    _connection: Connection

    def __init__(self, connection: Connection, notes: NoteQueries, vectors: Vectors) -> None:
        super().__init__(connection, notes)
        self._vectors = vectors

    def copies(
        self, *, content: int | None = None, hash_: bytes | None = None, pixels: bytes | None = None
    ) -> list[int]:
        where = (
            "(hash = ?1 OR pixels = ?2 OR pixels IN (SELECT pixels FROM content WHERE id = ?3 OR hash = ?1))"
        )
        rows = self._connection.rows(
            f"SELECT id FROM content WHERE {where} AND id IS NOT ?3"
            f" AND {HAS_PHOTO.format('content.id')}"
            " ORDER BY hash = ?1 DESC, id",
            (hash_, pixels, content),
        )
        return [int(id_) for (id_,) in rows]

    def forget(self, contents: Iterable[int]) -> None:
        with self._connection.writing() as db:
            for content in contents:
                self._vectors.remove(content)
                db.execute("DELETE FROM content WHERE id = ?", (content,))

    def _set(self, content: int, columns: Mapping[str, Any], *, dated: bool = False) -> None:
        changes = ", ".join(f"{column} = ?" for column in columns)
        with self._connection.writing() as db:
            db.execute(f"UPDATE content SET {changes} WHERE id = ?", (*columns.values(), content))
            if dated:
                update_date(db, content)
