"""Which content is an edit of which, so that a note goes along when a photo is edited.

A note belongs to a content. When other bytes come to lie at a path, `replaced` remembers what lay there; once
the new bytes were decoded, `imgret.ingest` compares the two pictures. `settle` then records an edit of the
same picture and copies the note; otherwise the note stays with the old content, and `imgret status` lists it.

While the old content lies somewhere else, it keeps its note. That may be the copy that an editor makes before
it writes and deletes afterwards, so the question stays open, and `left` asks it again when the copy is gone.
"""

from __future__ import annotations

from msgspec import Struct

from imgret.store.sqlite import roots
from imgret.store.sqlite.connection import Index

_ALIVE = "EXISTS (SELECT 1 FROM photo WHERE photo.content = {} AND gone_at IS NULL)"


class Before(Struct, frozen=True):
    """A content that lay at a path before the one that lies there now, and lies nowhere any more."""

    content: int
    same_file: bool  # the file was written to; it was not put in the place of another one


class LostNote(Struct, frozen=True):
    """A note whose content lies nowhere, while another picture lies at its path."""

    path: bytes  # absolute
    text: str
    content: int


def replaced(index: Index, photo: int, before: int, born: int | None, after: int) -> None:
    """At a path, the row `photo`, lies `after` instead of `before`; `born` is when the old file was created.

    What was never decoded is a state of a file that is being written: it stands for what lay there before it.
    """
    with index.writing() as db:
        settled = "SELECT 1 FROM content WHERE id = ? AND format IS NOT NULL"
        if index.row(f"{settled} UNION SELECT 1 FROM note WHERE content = ?", (before, before)):
            db.execute("INSERT OR REPLACE INTO replaced VALUES (?, ?, ?)", (photo, before, born))
        if index.row(settled, (after,)):  # a picture that was known already is no edit
            db.execute("DELETE FROM replaced WHERE photo = ?", (photo,))
        if index.row("SELECT 1 FROM note WHERE content = ?", (before,)):
            place = index.row(
                "SELECT root.path, folder, name FROM photo JOIN root ON root.id = root WHERE photo.id = ?",
                (photo,),
            )
            assert place is not None
            db.execute("UPDATE note SET path = ? WHERE content = ?", (roots.join(*place), before))
        left(index, before)


def left(index: Index, content: int | None = None) -> None:
    """A content (None: any) may lie nowhere any more: what took its place is compared with it again."""
    of = "" if content is None else f" AND replaced.content = {int(content)}"
    with index.writing() as db:
        db.execute(
            "INSERT OR IGNORE INTO work (content, stage) SELECT photo.content, 'decode' FROM replaced"
            " JOIN photo ON photo.id = replaced.photo JOIN content ON content.id = photo.content"
            f" WHERE format IS NOT NULL{of}"
            f" AND photo.content <> replaced.content AND NOT {_ALIVE.format('replaced.content')}"
        )


def noted(index: Index, content: int) -> None:
    """A note was written on a content: on it alone, not on an edit that has lain beside it before."""
    with index.writing() as db:
        db.execute(
            "DELETE FROM replaced WHERE content = ? AND EXISTS (SELECT 1 FROM photo"
            " JOIN content ON content.id = photo.content WHERE photo.id = replaced.photo AND format IS NOT NULL)",
            (content,),
        )


def candidates(index: Index, content: int) -> list[Before]:
    """What `content`, just decoded for the first time, may be an edit of."""
    rows = index.rows(
        "SELECT replaced.content, max(replaced.born IS NOT NULL AND replaced.born = photo.born)"
        " FROM photo JOIN replaced ON replaced.photo = photo.id"
        f" WHERE photo.content = ?1 AND replaced.content <> ?1 AND NOT {_ALIVE.format('replaced.content')}"
        " GROUP BY replaced.content ORDER BY replaced.content NOT IN (SELECT content FROM note), replaced.content",
        (content,),
    )
    return [Before(before, bool(same_file)) for before, same_file in rows]


def settle(index: Index, content: int, before: int | None) -> bool:
    """`content` is an edit of `before`, or of nothing that is known. -> whether it was given a note."""
    with index.writing() as db:
        db.execute(
            "DELETE FROM replaced WHERE photo IN (SELECT id FROM photo WHERE content = ?)"
            f" AND NOT ({_ALIVE.format('replaced.content')} AND content IN (SELECT content FROM note))",
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
        return db.changes() > 0


def later_edits(index: Index, content: int) -> list[int]:
    """The edits of a content that lies nowhere any more, and theirs: what has taken its place since."""
    rows = index.rows(
        "WITH RECURSIVE edit (id) AS (SELECT ?1 UNION SELECT content.id FROM content JOIN edit"
        f" ON content.edit_of = edit.id WHERE NOT {_ALIVE.format('edit.id')})"
        " SELECT id FROM edit WHERE id <> ?1",
        (content,),
    )
    return [edit for (edit,) in rows]


def remember_places(index: Index, gone_before: int) -> None:
    """Notes keep the path of their photo when its tombstone, made before `gone_before`, is forgotten."""
    with index.writing() as db:
        rows = index.rows(
            "SELECT note.content, root.path, folder, name FROM photo JOIN root ON root.id = root"
            " JOIN note ON note.content = photo.content WHERE gone_at < ?",
            (gone_before,),
        )
        for content, *place in list(rows):
            db.execute("UPDATE note SET path = ? WHERE content = ?", (roots.join(*place), content))


def lost_notes(index: Index, at: bytes | None = None) -> list[LostNote]:
    """Notes that were not handed on, by path: another picture, without a note, lies where theirs lay.

    Only those of the path `at`, if given.
    """
    rows = index.rows(
        f"SELECT path, text, content FROM note WHERE path IS NOT NULL AND NOT {_ALIVE.format('note.content')}"
        " AND (?1 IS NULL OR path = ?1) AND content NOT IN (SELECT content FROM replaced)"
        " ORDER BY path, written_at",
        (at,),
    )
    found = []
    for path, text, content in list(rows):
        place = roots.root_of(index, path)
        here = place and index.row(
            "SELECT photo.content FROM photo LEFT JOIN note ON note.content = photo.content"
            " WHERE root = ? AND folder = ? AND name = ? AND gone_at IS NULL AND text IS NULL",
            (place[0].id, *place[1:]),
        )
        if here and here[0] not in later_edits(index, content):
            found.append(LostNote(path, text, content))
    return found


def forget_lost(index: Index, path: bytes) -> int:
    """Lost notes at a path are reported no more; each stays with its content. -> how many there were."""
    with index.writing(durable=True) as db:
        lost = [note.content for note in lost_notes(index, path)]
        for content in lost:
            db.execute("UPDATE note SET path = NULL WHERE content = ?", (content,))
        return len(lost)
