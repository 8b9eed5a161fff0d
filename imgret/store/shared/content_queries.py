"""Contents: images identified by the hashes of their bytes and pixels, and the deletion of unused ones.

The paths of contents are in `photo_queries`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from imgret.photo import Facts, PhotoDate
from imgret.store.conditions import OWNED
from imgret.store.policy import KEEP_TOMBSTONES
from imgret.store.shared.dialect import Connection, Queries
from imgret.store.shared.note_queries import NoteQueries
from imgret.store.trait_rows import SIGNATURE

FORGOTTEN = 200  # contents that are deleted in one transaction

_DATE = ("date", "date_source", "date_precision", "date_zone", "date_fraction")


class ContentQueries(Queries, ABC):
    """Implements `imgret.store.interface.files.Contents`, but for `forget` and `_set`."""

    def __init__(self, connection: Connection, notes: NoteQueries) -> None:
        super().__init__(connection)
        self._notes = notes

    @abstractmethod
    def forget(self, contents: Iterable[int]) -> None:
        """Delete contents and all that is known of them."""

    @abstractmethod
    def _set(self, content: int, columns: Mapping[str, Any], *, dated: bool = False) -> None:
        """Change columns of a content, and with `dated` the place of its work in the queue. Within `writing()`."""

    def hash_of(self, content: int) -> bytes | None:
        row = self._row("SELECT hash FROM content WHERE id = ?", content)
        return row[0] if row else None

    def content_named(self, hash_: bytes) -> int | None:
        row = self._row("SELECT id FROM content WHERE hash = ?", hash_)
        return int(row[0]) if row else None

    def save_facts(self, content: int, facts: Facts, pixels: bytes, look: bytes | None = None) -> None:
        with self._connection.writing():
            signature = {"look": look and look[:SIGNATURE], "detail": look and (look[SIGNATURE:] or None)}
            self._set(content, {"pixels": pixels, **signature, **msgspec.structs.asdict(facts)})
            taken = facts.taken_at
            date = None if taken is None else PhotoDate(taken, "exif", subsecond=facts.subsecond)
            self.save_date(content, date)

    def save_date(self, content: int, date: PhotoDate | None) -> None:
        values = (date.at, date.source, date.precision, date.zone, date.subsecond) if date else (None,) * 5
        with self._connection.writing():
            self._set(content, dict(zip(_DATE, values, strict=True)), dated=True)

    def save_position(self, content: int, position: tuple[float, float] | None) -> None:
        latitude, longitude = position or (None, None)
        with self._connection.writing():
            self._set(content, {"latitude": latitude, "longitude": longitude})

    def date(self, content: int) -> PhotoDate | None:
        rows = self._connection.rows_of(
            f"SELECT id, {', '.join(_DATE)} FROM content WHERE id {self._dialect.among} AND date IS NOT NULL",
            content,
        )
        return PhotoDate(*rows[0]) if rows else None

    def look(self, content: int) -> bytes | None:
        row = self._row("SELECT look, detail FROM content WHERE id = ?", content)
        return row[0] + (row[1] or b"") if row and row[0] is not None else None

    def facts(self, content: int) -> Facts | None:
        rows = self._connection.rows_of(
            "SELECT id, format, width, height, taken_at, camera, latitude, longitude, truncated, subsecond FROM content"
            f" WHERE id {self._dialect.among} AND format IS NOT NULL",
            content,
        )
        if not rows:
            return None
        row = rows[0]
        return msgspec.structs.replace(Facts(*row[:-2]), truncated=bool(row[-2]), subsecond=row[-1])

    def purge(self, now: int) -> int:
        before = now - KEEP_TOMBSTONES
        with self._connection.writing() as db:
            self._notes.remember_places(before)
            db.execute(self._sql("DELETE FROM photo WHERE gone_at < ?"), (before,))
            db.execute(
                "DELETE FROM root WHERE removed AND NOT EXISTS (SELECT 1 FROM photo WHERE photo.root = root.id)"
            )
        # Outside a transaction that writes: a million contents take half a second. What is found is checked again.
        unused = (  # two indexes side by side: a look-up for each content would take twice as long
            "SELECT id FROM (SELECT id FROM content EXCEPT SELECT content FROM photo) AS lone"
            f" WHERE NOT {OWNED.format('lone.id')}"
        )
        again = (
            f"SELECT id FROM content WHERE id {self._dialect.among} AND NOT {OWNED.format('content.id')}"
            " AND NOT EXISTS (SELECT 1 FROM photo WHERE photo.content = content.id)"
        )
        found = [content for (content,) in self._rows(unused)]
        deleted = 0
        for start in range(0, len(found), FORGOTTEN):
            some = self._dialect.numbers(found[start : start + FORGOTTEN])
            with self._connection.writing():
                still = [content for (content,) in self._rows(again, some)]
                self.forget(still)
                deleted += len(still)
        return deleted
