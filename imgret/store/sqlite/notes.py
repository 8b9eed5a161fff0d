"""Track which content is an edit of which, so that the note and the imported tags of a photo are kept when it is edited.

A note belongs to a content. When the content at a path changes, `replaced` records the previous one. After the new
content is decoded, `imgret.ingest` compares the two images. `settle` then records an edit of the same image and copies
the note; otherwise the note stays with the old content, and `imgret status` lists it. All of this holds for imported
tags, too.

As long as the old content exists at another path, it keeps its note. That path may be a temporary copy made by an
image editor, so the comparison is postponed, and `requeue_edits` queues it again when the copy is deleted.
"""

from __future__ import annotations

from typing import Any

from imgret.stages.interface import DECODE
from imgret.store import paths
from imgret.store.conditions import HAS_PHOTO, OWNED
from imgret.store.policy import ARRIVED
from imgret.store.records import IMPORTED, LostNote, PreviousContent
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.roots import Roots
from imgret.store.sqlite.work import queued


class Notes:
    """Implements `imgret.store.interface.descriptions.Notes`."""

    def __init__(self, connection: Connection, roots: Roots) -> None:
        self._connection = connection
        self._roots = roots

    def replaced(self, photo: int, before: int, born: int | None, after: int) -> None:
        """Record that at the path of the row `photo`, the content `after` has replaced `before`.

        `born` is the creation time of the old file, in ns. If `before` was never decoded, it was a file that was still
        being written, and the content recorded before it is kept.
        """
        with self._connection.writing() as db:
            settled = "SELECT 1 FROM content WHERE id = ? AND format IS NOT NULL"
            if self._connection.row(
                f"{settled} UNION SELECT 1 FROM content WHERE id = ? AND {OWNED.format('content.id')}",
                (before, before),
            ):
                db.execute("INSERT OR REPLACE INTO replaced VALUES (?, ?, ?)", (photo, before, born))
            if self._connection.row(settled, (after,)):  # an image that was known already is not an edit
                db.execute("DELETE FROM replaced WHERE photo = ?", (photo,))
            if self._connection.row("SELECT 1 FROM note WHERE content = ?", (before,)):
                place = self._connection.row(
                    "SELECT root.path, folder, name FROM photo JOIN root ON root.id = root WHERE photo.id = ?",
                    (photo,),
                )
                assert place is not None
                db.execute("UPDATE note SET path = ? WHERE content = ?", (paths.join(*place), before))
            self.requeue_edits(before)

    def requeue_edits(self, content: int | None = None) -> None:
        of = "" if content is None else f" AND replaced.content = {int(content)}"
        with self._connection.writing() as db:
            rows: Any = db.execute(
                "SELECT photo.content FROM replaced"
                " JOIN photo ON photo.id = replaced.photo JOIN content ON content.id = photo.content"
                f" WHERE format IS NOT NULL{of}"
                f" AND photo.content <> replaced.content AND NOT {HAS_PHOTO.format('replaced.content')}"
            ).fetchall()
            for (edit,) in rows:
                queued(db, edit, [DECODE], ARRIVED)

    def noted(self, content: int) -> None:
        """Record that a note or tags were written for a content, so that they are not copied to an edit that existed before."""
        with self._connection.writing() as db:
            db.execute(
                "DELETE FROM replaced WHERE content = ? AND EXISTS (SELECT 1 FROM photo"
                " JOIN content ON content.id = photo.content WHERE photo.id = replaced.photo AND format IS NOT NULL)",
                (content,),
            )

    def candidates(self, content: int) -> list[PreviousContent]:
        rows = self._connection.rows(
            "SELECT replaced.content, max(replaced.born IS NOT NULL AND replaced.born = photo.born)"
            " FROM photo JOIN replaced ON replaced.photo = photo.id"
            f" WHERE photo.content = ?1 AND replaced.content <> ?1 AND NOT {HAS_PHOTO.format('replaced.content')}"
            " GROUP BY replaced.content ORDER BY replaced.content NOT IN (SELECT content FROM note),"
            f" NOT {OWNED.format('replaced.content')}, replaced.content",
            (content,),
        )
        return [PreviousContent(before, bool(same_file)) for before, same_file in rows]

    def settle(self, content: int, before: int | None) -> bool:
        with self._connection.writing() as db:
            db.execute(
                "DELETE FROM replaced WHERE photo IN (SELECT id FROM photo WHERE content = ?)"
                f" AND NOT ({HAS_PHOTO.format('replaced.content')} AND {OWNED.format('replaced.content')})",
                (content,),
            )
            if before is None:
                return False
            db.execute("UPDATE content SET edit_of = ? WHERE id = ?", (before, content))
            db.execute(
                "INSERT OR IGNORE INTO note (content, text, written_at)"
                " SELECT ?, text, written_at FROM note WHERE content = ?",
                (content, before),
            )
            copied = db.changes() > 0
            db.execute(
                "INSERT OR IGNORE INTO tag (kind, label, content, stage)"
                " SELECT kind, label, ?, stage FROM tag WHERE content = ? AND stage = ?",
                (content, before, IMPORTED),
            )
            return copied

    def later_edits(self, content: int) -> list[int]:
        rows = self._connection.rows(
            "WITH RECURSIVE edit (id) AS (SELECT ?1 UNION SELECT content.id FROM content JOIN edit"
            f" ON content.edit_of = edit.id WHERE NOT {HAS_PHOTO.format('edit.id')})"
            " SELECT id FROM edit WHERE id <> ?1",
            (content,),
        )
        return [edit for (edit,) in rows]

    def remember_places(self, gone_before: int) -> None:
        """Store the paths of noted photos in their notes, before tombstones older than `gone_before` are deleted."""
        with self._connection.writing() as db:
            rows = self._connection.rows(
                "SELECT note.content, root.path, folder, name FROM photo JOIN root ON root.id = root"
                " JOIN note ON note.content = photo.content WHERE gone_at < ?",
                (gone_before,),
            )
            for content, *place in list(rows):
                db.execute("UPDATE note SET path = ? WHERE content = ?", (paths.join(*place), content))

    def vanished(self, since: int, most: int) -> list[int]:
        rows = self._connection.rows(
            "SELECT DISTINCT note.content FROM photo JOIN note ON note.content = photo.content"
            f" WHERE gone_at >= ? AND NOT {HAS_PHOTO.format('note.content')} ORDER BY note.content LIMIT ?",
            (since, most),
        )
        return [content for (content,) in rows]

    def may_belong(self, content: int, other: int) -> None:
        with self._connection.writing() as db:
            place = self._connection.row(
                "SELECT root.path, folder, name FROM photo JOIN root ON root.id = root"
                " WHERE content = ? AND gone_at IS NULL ORDER BY photo.id LIMIT 1",
                (other,),
            )
            if place is not None:
                db.execute("UPDATE note SET path = ? WHERE content = ?", (paths.join(*place), content))

    def lost_notes(self, at: bytes | None = None) -> list[LostNote]:
        rows = self._connection.rows(
            f"SELECT path, text, content FROM note WHERE path IS NOT NULL AND NOT {HAS_PHOTO.format('note.content')}"
            " AND (?1 IS NULL OR path = ?1) AND content NOT IN (SELECT content FROM replaced)"
            " ORDER BY path, written_at",
            (at,),
        )
        found = []
        for path, text, content in list(rows):
            place = self._roots.root_of(path)
            here = place and self._connection.row(
                "SELECT photo.content FROM photo LEFT JOIN note ON note.content = photo.content"
                " WHERE root = ? AND folder = ? AND name = ? AND gone_at IS NULL AND text IS NULL",
                (place[0].id, *place[1:]),
            )
            if here and here[0] not in self.later_edits(content):
                found.append(LostNote(path, text, content))
        return found

    def forget_lost(self, path: bytes) -> int:
        with self._connection.writing(durable=True) as db:
            lost = [note.content for note in self.lost_notes(path)]
            for content in lost:
                db.execute("UPDATE note SET path = NULL WHERE content = ?", (content,))
            return len(lost)
