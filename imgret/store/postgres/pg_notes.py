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
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_pending_work import PendingWork
from imgret.store.postgres.pg_roots import AT, Roots
from imgret.store.records import IMPORTED, LostNote, PreviousContent

_SET_REPLACED = (
    "INSERT INTO replaced VALUES (%s, %s, %s)"
    " ON CONFLICT (photo) DO UPDATE SET content = excluded.content, born = excluded.born"
)


class Notes:
    """Implements `imgret.store.interface.descriptions.Notes`."""

    def __init__(self, connection: Connection, roots: Roots, work: PendingWork) -> None:
        self._connection = connection
        self._work = work
        self._settled: set[int] = set()  # contents that are edits of nothing; see `pg_pending.Writer`
        self._roots = roots

    def replaced(self, photo: int, before: int, born: int | None, after: int) -> None:
        """Record that at the path of the row `photo`, the content `after` has replaced `before`.

        `born` is the creation time of the old file, in ns. If `before` was never decoded, it was a file that was still
        being written, and the content recorded before it is kept.
        """
        with self._connection.writing() as db:
            settled = "SELECT 1 FROM content WHERE id = %s AND format IS NOT NULL"
            if self._connection.row(
                f"{settled} UNION SELECT 1 FROM content WHERE id = %s AND {OWNED.format('content.id')}",
                (before, before),
            ):
                db.execute(_SET_REPLACED, (photo, before, born))
            if self._connection.row(settled, (after,)):  # an image that was known already is not an edit
                db.execute("DELETE FROM replaced WHERE photo = %s", (photo,))
            if self._connection.row("SELECT 1 FROM note WHERE content = %s", (before,)):
                place = self._connection.row(
                    "SELECT root.path, folder, name FROM photo JOIN root_here AS root ON root.id = photo.root WHERE photo.id = %s",
                    (photo,),
                )
                assert place is not None
                db.execute("UPDATE note SET path = %s WHERE content = %s", (paths.join(*place), before))
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
                self._work.queue(edit, [DECODE], ARRIVED)

    def noted(self, content: int) -> None:
        """Record that a note or tags were written for a content, so that they are not copied to an edit that existed before."""
        with self._connection.writing() as db:
            db.execute(
                "DELETE FROM replaced WHERE content = %s AND EXISTS (SELECT 1 FROM photo"
                " JOIN content ON content.id = photo.content WHERE photo.id = replaced.photo AND format IS NOT NULL)",
                (content,),
            )

    def candidates(self, content: int) -> list[PreviousContent]:
        rows = self._connection.rows_of(
            "SELECT photo.content, replaced.content, bool_or(replaced.born IS NOT NULL AND replaced.born IS NOT DISTINCT FROM photo.born)"
            " FROM photo JOIN replaced ON replaced.photo = photo.id"
            f" WHERE photo.content = ANY (%s::bigint[]) AND replaced.content <> photo.content AND NOT {HAS_PHOTO.format('replaced.content')}"
            " GROUP BY photo.content, replaced.content ORDER BY replaced.content NOT IN (SELECT content FROM note),"
            f" NOT {OWNED.format('replaced.content')}, replaced.content",
            content,
        )
        return [PreviousContent(before, bool(same_file)) for before, same_file in rows]

    def settle(self, content: int, before: int | None) -> bool:
        with self._connection.writing() as db:
            self._settled.add(content)
            self._connection.pending.contents.add(content)
            if before is None:
                return False
            db.execute("UPDATE content SET edit_of = %s WHERE id = %s", (before, content))
            copied = db.execute(
                "INSERT INTO note (content, text, written_at)"
                " SELECT %s, text, written_at FROM note WHERE content = %s ON CONFLICT DO NOTHING",
                (content, before),
            )
            db.execute(
                "INSERT INTO tag (kind, label, content, stage)"
                " SELECT kind, label, %s, stage FROM tag WHERE content = %s AND stage = %s ON CONFLICT DO NOTHING",
                (content, before, IMPORTED),
            )
            return copied.rowcount > 0

    def write_pending(self, db: Database) -> None:
        """See `pg_pending.Writer`."""
        settled, self._settled = self._settled, set()
        if settled:
            db.query(
                "DELETE FROM replaced WHERE photo IN (SELECT id FROM photo WHERE content = ANY (%s::bigint[]))"
                f" AND NOT ({HAS_PHOTO.format('replaced.content')} AND {OWNED.format('replaced.content')})",
                (sorted(settled),),
            )

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._settled.clear()

    def later_edits(self, content: int) -> list[int]:
        rows = self._connection.rows(
            "WITH RECURSIVE edit (id) AS (SELECT %s::bigint UNION SELECT content.id FROM content JOIN edit"
            f" ON content.edit_of = edit.id WHERE NOT {HAS_PHOTO.format('edit.id')})"
            " SELECT id FROM edit WHERE id <> %s",
            (content, content),
        )
        return [edit for (edit,) in rows]

    def remember_places(self, gone_before: int) -> None:
        """Store the paths of noted photos in their notes, before tombstones older than `gone_before` are deleted."""
        with self._connection.writing() as db:
            rows = self._connection.rows(
                "SELECT note.content, root.path, folder, name FROM photo JOIN root_here AS root ON root.id = photo.root"
                " JOIN note ON note.content = photo.content WHERE gone_at < %s",
                (gone_before,),
            )
            for content, *place in list(rows):
                db.execute("UPDATE note SET path = %s WHERE content = %s", (paths.join(*place), content))

    def vanished(self, since: int, most: int) -> list[int]:
        rows = self._connection.fixed_rows(
            "SELECT DISTINCT note.content FROM photo JOIN note ON note.content = photo.content"
            f" WHERE gone_at >= %s AND NOT {HAS_PHOTO.format('note.content')} ORDER BY note.content LIMIT %s",
            (since, most),
        )
        return [content for (content,) in rows]

    def may_belong(self, content: int, other: int) -> None:
        with self._connection.writing() as db:
            place = self._connection.row(
                "SELECT root.path, folder, name FROM photo JOIN root_here AS root ON root.id = photo.root"
                " WHERE content = %s AND gone_at IS NULL ORDER BY photo.id LIMIT 1",
                (other,),
            )
            if place is not None:
                db.execute("UPDATE note SET path = %s WHERE content = %s", (paths.join(*place), content))

    def lost_notes(self, at: bytes | None = None) -> list[LostNote]:
        rows = self._connection.rows(
            f"SELECT path, text, content FROM note WHERE path IS NOT NULL AND NOT {HAS_PHOTO.format('note.content')}"
            " AND (%s::bytea IS NULL OR path = %s) AND content NOT IN (SELECT content FROM replaced)"
            " ORDER BY path, written_at",
            (at, at),
        )
        found = []
        for path, text, content in list(rows):
            place = self._roots.root_of(path)
            here = place and self._connection.row(
                "SELECT photo.content FROM photo LEFT JOIN note ON note.content = photo.content"
                f" WHERE {AT} AND gone_at IS NULL AND text IS NULL",
                (place[0].id, place[1], *place[1:]),
            )
            if here and here[0] not in self.later_edits(content):
                found.append(LostNote(path, text, content))
        return found

    def forget_lost(self, path: bytes) -> int:
        with self._connection.writing(durable=True) as db:
            lost = [note.content for note in self.lost_notes(path)]
            for content in lost:
                db.execute("UPDATE note SET path = NULL WHERE content = %s", (content,))
            return len(lost)
