"""Track which content is an edit of which, so that the note and the imported tags of a photo are kept when it is edited.

A note belongs to a content. When the content at a path changes, `replaced` records the previous one. After the new
content is decoded, `imgret.ingest` compares the two images. `settle` then records an edit of the same image and copies
the note; otherwise the note stays with the old content, and `imgret status` lists it. All of this holds for imported
tags, too.

As long as the old content exists at another path, it keeps its note. That path may be a temporary copy made by an
image editor, so the comparison is postponed, and `requeue_edits` queues it again when the copy is deleted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any

from imgret.stages.interface import DECODE
from imgret.store import paths
from imgret.store.conditions import HAS_PHOTO, OWNED
from imgret.store.interface.files import Roots
from imgret.store.policy import ARRIVED
from imgret.store.records import IMPORTED, LostNote, PreviousContent
from imgret.store.shared.dialect import Connection, Database, Queries

# Of rows of `replaced`: the recorded content is not one that still exists elsewhere with what the user wrote.
SETTLED = f"NOT ({HAS_PHOTO.format('replaced.content')} AND {OWNED.format('replaced.content')})"


class NoteQueries(Queries, ABC):
    """Implements `imgret.store.interface.descriptions.Notes`, but for `_compared`."""

    def __init__(
        self, connection: Connection, roots: Roots, queue: Callable[[int, Collection[str], int], None]
    ) -> None:
        """`queue` is `Work.queue`."""
        super().__init__(connection)
        self._roots = roots
        self._queue = queue

    @abstractmethod
    def _compared(self, db: Database, content: int) -> None:
        """Delete the SETTLED rows of `replaced` of the photos of a content, at the end of the transaction at the latest."""

    def replaced(self, photo: int, before: int, born: int | None, after: int) -> None:
        """Record that at the path of the row `photo`, the content `after` has replaced `before`.

        `born` is the creation time of the old file, in ns. If `before` was never decoded, it was a file that was still
        being written, and the content recorded before it is kept.
        """
        with self._connection.writing() as db:
            decoded = "SELECT 1 FROM content WHERE id = ? AND format IS NOT NULL"
            if self._row(
                f"{decoded} UNION SELECT 1 FROM content WHERE id = ? AND {OWNED.format('content.id')}",
                before,
                before,
            ):
                db.execute(
                    self._sql(
                        "INSERT INTO replaced (photo, content, born) VALUES (?, ?, ?)"
                        " ON CONFLICT (photo) DO UPDATE SET content = excluded.content, born = excluded.born"
                    ),
                    (photo, before, born),
                )
            if self._row(decoded, after):  # an image that was known already is not an edit
                db.execute(self._sql("DELETE FROM replaced WHERE photo = ?"), (photo,))
            if self._row("SELECT 1 FROM note WHERE content = ?", before):
                self._remember_place(db, before, "photo.id = ?", photo)
            self.requeue_edits(before)

    def requeue_edits(self, content: int | None = None) -> None:
        of = "" if content is None else f" AND replaced.content = {int(content)}"
        with self._connection.writing():
            rows = self._rows(
                "SELECT photo.content FROM replaced"
                " JOIN photo ON photo.id = replaced.photo JOIN content ON content.id = photo.content"
                f" WHERE format IS NOT NULL{of}"
                f" AND photo.content <> replaced.content AND NOT {HAS_PHOTO.format('replaced.content')}"
            )
            for (edit,) in list(rows):
                self._queue(edit, [DECODE], ARRIVED)

    def noted(self, content: int) -> None:
        """Record that a note or tags were written for a content, so that they are not copied to an edit that existed before."""
        with self._connection.writing() as db:
            db.execute(
                self._sql(
                    "DELETE FROM replaced WHERE content = ? AND EXISTS (SELECT 1 FROM photo"
                    " JOIN content ON content.id = photo.content WHERE photo.id = replaced.photo AND format IS NOT NULL)"
                ),
                (content,),
            )

    def candidates(self, content: int) -> list[PreviousContent]:
        rows = self._connection.rows_of(
            "SELECT photo.content, replaced.content, max(CASE WHEN replaced.born = photo.born THEN 1 ELSE 0 END)"
            " FROM photo JOIN replaced ON replaced.photo = photo.id"
            f" WHERE photo.content {self._dialect.among} AND replaced.content <> photo.content"
            f" AND NOT {HAS_PHOTO.format('replaced.content')} GROUP BY photo.content, replaced.content"
            " ORDER BY replaced.content NOT IN (SELECT content FROM note),"
            f" NOT {OWNED.format('replaced.content')}, replaced.content",
            content,
        )
        return [PreviousContent(before, bool(same_file)) for before, same_file in rows]

    def settle(self, content: int, before: int | None) -> bool:
        with self._connection.writing() as db:
            self._compared(db, content)
            if before is None:
                return False
            db.execute(self._sql("UPDATE content SET edit_of = ? WHERE id = ?"), (before, content))
            copied = db.execute(
                self._sql(
                    "INSERT INTO note (content, text, written_at)"
                    " SELECT ?, text, written_at FROM note WHERE content = ? ON CONFLICT DO NOTHING RETURNING content"
                ),
                (content, before),
            ).fetchall()
            db.execute(
                self._sql(
                    "INSERT INTO tag (kind, label, content, stage)"
                    " SELECT kind, label, ?, stage FROM tag WHERE content = ? AND stage = ? ON CONFLICT DO NOTHING"
                ),
                (content, before, IMPORTED),
            )
            return bool(copied)

    def later_edits(self, content: int) -> list[int]:
        rows = self._rows(
            "WITH RECURSIVE edit (id) AS (SELECT CAST(? AS bigint) UNION SELECT content.id FROM content JOIN edit"
            f" ON content.edit_of = edit.id WHERE NOT {HAS_PHOTO.format('edit.id')})"
            " SELECT id FROM edit WHERE id <> ?",
            content,
            content,
        )
        return [edit for (edit,) in rows]

    def remember_places(self, gone_before: int) -> None:
        """Store the paths of noted photos in their notes, before tombstones older than `gone_before` are deleted."""
        with self._connection.writing() as db:
            rows = self._rows(
                "SELECT DISTINCT note.content FROM photo JOIN note ON note.content = photo.content WHERE gone_at < ?",
                gone_before,
            )
            for (content,) in list(rows):
                self._remember_place(db, content, "content = ? AND gone_at < ?", content, gone_before)

    def vanished(self, since: int, most: int) -> list[int]:
        rows = self._rows(
            "SELECT DISTINCT note.content FROM photo JOIN note ON note.content = photo.content"
            f" WHERE gone_at >= ? AND NOT {HAS_PHOTO.format('note.content')} ORDER BY note.content LIMIT ?",
            since,
            most,
        )
        return [content for (content,) in rows]

    def may_belong(self, content: int, other: int) -> None:
        with self._connection.writing() as db:
            self._remember_place(db, content, "content = ? AND gone_at IS NULL", other)

    def lost_notes(self, at: bytes | None = None) -> list[LostNote]:
        here = "" if at is None else " AND path = ?"
        rows = self._rows(
            f"SELECT path, text, content FROM note WHERE path IS NOT NULL AND NOT {HAS_PHOTO.format('note.content')}"
            f"{here} AND content NOT IN (SELECT content FROM replaced) ORDER BY path, written_at",
            *([] if at is None else [at]),
        )
        return [LostNote(*row) for row in list(rows) if self._is_lost(row[0], row[2])]

    def forget_lost(self, path: bytes) -> int:
        with self._connection.writing(durable=True) as db:
            lost = [note.content for note in self.lost_notes(path)]
            for content in lost:
                db.execute(self._sql("UPDATE note SET path = NULL WHERE content = ?"), (content,))
            return len(lost)

    def _is_lost(self, path: bytes, content: int) -> bool:
        """Whether a photo without a note is at the path of the note of this content, and is no edit of it."""
        place = self._roots.root_of(path)
        if place is None:
            return False
        root, folder, name = place
        condition, values = self._dialect.at(root.id, folder, name)
        here = self._row(
            "SELECT photo.content FROM photo LEFT JOIN note ON note.content = photo.content"
            f" WHERE {condition} AND gone_at IS NULL AND text IS NULL",
            *values,
        )
        return here is not None and here[0] not in self.later_edits(content)

    def _remember_place(self, db: Database, content: int, where: str, *values: Any) -> None:
        """Store the path of the first photo that meets a condition in the note of a content."""
        place = self._row(
            f"SELECT root.path, folder, name FROM photo JOIN {self._dialect.root} ON root.id = photo.root"
            f" WHERE {where} ORDER BY photo.id LIMIT 1",
            *values,
        )
        if place is not None:
            db.execute(self._sql("UPDATE note SET path = ? WHERE content = ?"), (paths.join(*place), content))
