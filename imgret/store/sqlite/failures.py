"""Photos that could not be read or described: why, when they are tried again, and trying them now."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from imgret.photo import Photo
from imgret.store.sqlite import roots
from imgret.store.sqlite.connection import Index
from imgret.store.sqlite.photos import MAX_ATTEMPTS

READ = "read"  # stands for a stage where a file could not be read at all


class Failure(Struct, frozen=True):
    """A photo that could not be described, and when it is tried again."""

    path: bytes
    stage: str  # a Stage, or READ
    error: str
    attempts: int
    not_before: int  # seconds since 1970
    set_aside: bool  # tried often enough


def failures(index: Index, limit: int = 1000) -> list[Failure]:
    """The photos that could not be described, by path."""
    rows = index.rows(
        "SELECT root.path, folder, photo.name, min(stage), error, max(attempts), max(not_before)"
        " FROM work JOIN photo ON photo.content = work.content AND gone_at IS NULL"
        " JOIN root ON root.id = photo.root WHERE error IS NOT NULL GROUP BY photo.id"
        f" UNION ALL SELECT root.path, folder, photo.name, '{READ}', error, attempts, not_before"
        " FROM unreadable JOIN photo ON photo.id = unreadable.photo JOIN root ON root.id = photo.root"
        " WHERE gone_at IS NULL ORDER BY 1, 2, 3 LIMIT ?",
        (limit,),
    )
    return [
        Failure(roots.join(root, folder, name), stage, error, attempts, not_before, attempts >= MAX_ATTEMPTS)
        for root, folder, name, stage, error, attempts, not_before in rows
    ]


def unreadable(index: Index, photo: Photo) -> Failure | None:
    """Why a file could not be read when it was last looked at; None when it could."""
    row = index.row("SELECT error, attempts, not_before FROM unreadable WHERE photo = ?", (photo.id,))
    if row is None:
        return None
    error, attempts, not_before = row
    return Failure(photo.path, "read", error, attempts, not_before, attempts >= MAX_ATTEMPTS)


def retry(index: Index, only: Collection[Photo] | None = None) -> int:
    """Try failed photos again now, those set aside too; None: all of them. -> how many."""
    with index.writing() as db:
        reset = "UPDATE work SET attempts = 0, not_before = 0, error = NULL WHERE error IS NOT NULL"
        if only is None:
            tried = db.execute("SELECT count(DISTINCT content) FROM work WHERE error IS NOT NULL").fetchone()
            count = int(tried[0]) if tried else 0
            db.execute(reset)
            db.execute("UPDATE unreadable SET attempts = 0, not_before = 0")
            return count + db.changes()
        count = 0
        for photo in only:
            db.execute("UPDATE unreadable SET attempts = 0, not_before = 0 WHERE photo = ?", (photo.id,))
            unread = db.changes() > 0
            db.execute(f"{reset} AND content = ?", (photo.content,))
            count += unread or db.changes() > 0
        return count
