"""Contents: what a picture is, by its bytes and its upright pixels, and when it is forgotten.

Where contents lie is the matter of `photos`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from imgret.photo import Facts
from imgret.store.sqlite import notes
from imgret.store.sqlite.connection import Index

KEEP_TOMBSTONES = 30 * 86400  # seconds


def hash_of(index: Index, content: int) -> bytes | None:
    """The BLAKE3 of a content's bytes."""
    row = index.row("SELECT hash FROM content WHERE id = ?", (content,))
    return row[0] if row else None


def content_named(index: Index, hash_: bytes) -> int | None:
    """The content with this BLAKE3; None if the index has none."""
    row = index.row("SELECT id FROM content WHERE hash = ?", (hash_,))
    return int(row[0]) if row else None


def copies(
    index: Index, *, content: int | None = None, hash_: bytes | None = None, pixels: bytes | None = None
) -> list[int]:
    """Contents that lie somewhere and are the same picture: by the BLAKE3 of the bytes, and of the upright pixels.

    One of the three says which picture: a content (which is no copy of itself), or either hash.
    """
    where = "(hash = ?1 OR pixels = ?2 OR pixels IN (SELECT pixels FROM content WHERE id = ?3 OR hash = ?1))"
    rows = index.rows(
        f"SELECT id FROM content WHERE {where} AND id IS NOT ?3"
        " AND EXISTS (SELECT 1 FROM photo WHERE content = content.id AND gone_at IS NULL)"
        " ORDER BY hash = ?1 DESC, id",
        (hash_, pixels, content),
    )
    return [int(id_) for (id_,) in rows]


def save_facts(index: Index, content: int, facts: Facts, pixels: bytes, look: bytes | None = None) -> None:
    """What the file itself says, the BLAKE3 of its upright pixels, and its `perceptual.signature`."""
    with index.writing() as db:
        db.execute(
            "UPDATE content SET pixels = ?, look = ?, format = ?, width = ?, height = ?, taken_at = ?,"
            " camera = ?, latitude = ?, longitude = ?, truncated = ?, subsecond = ? WHERE id = ?",
            (pixels, look, *msgspec.structs.astuple(facts), content),
        )


def look(index: Index, content: int) -> bytes | None:
    """The `perceptual.signature` of a content; None before it was decoded."""
    row = index.row("SELECT look FROM content WHERE id = ?", (content,))
    return row[0] if row else None


def facts(index: Index, content: int) -> Facts | None:
    """What the file itself says; None before it was decoded."""
    row = index.row(
        "SELECT format, width, height, taken_at, camera, latitude, longitude, truncated, subsecond FROM content"
        " WHERE id = ? AND format IS NOT NULL",
        (content,),
    )
    if row is None:
        return None
    return msgspec.structs.replace(Facts(*row[:-2]), truncated=bool(row[-2]), subsecond=row[-1])


def purge(index: Index, now: int) -> int:
    """Forget tombstones older than 30 days, and contents without a path or a note. -> contents forgotten."""
    with index.writing() as db:
        notes.remember_places(index, now - KEEP_TOMBSTONES)
        db.execute("DELETE FROM photo WHERE gone_at < ?", (now - KEEP_TOMBSTONES,))
        db.execute("DELETE FROM root WHERE removed AND id NOT IN (SELECT root FROM photo)")
        orphans = [
            content
            for (content,) in db.execute(
                "SELECT id FROM content WHERE id NOT IN (SELECT content FROM photo WHERE content IS NOT NULL)"
                " AND id NOT IN (SELECT content FROM note)"
            )
        ]
        forget(index, orphans)
    return len(orphans)


def forget(index: Index, contents: Iterable[int]) -> None:
    """Drop contents and all that hangs on them, derived tables included."""
    from imgret.store.sqlite import vectors

    with index.writing() as db:
        for content in contents:
            vectors.remove(index, content)
            db.execute("DELETE FROM content WHERE id = ?", (content,))
