"""Paths and contents: where photos lie, what they are, and what happens when either changes.

A path points to a content; descriptions, notes and vectors hang on the content. So a move, a rename
or a copy is a new path to an old content and costs nothing, and an edit in place is an old path to a
new content, which takes the note along when it shows the same picture (`edits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apsw
import msgspec

from imgret.photo import Fingerprint, Photo
from imgret.store.sqlite import notes, roots
from imgret.store.sqlite.connection import Index, explained

MAX_ATTEMPTS = 5
# No file has these: a photo with one differs from its file, so the next scan asks the hash.
YOUNG_INODE = -1  # it was so young that a later write may not show
OTHER_INODE = -2  # other bytes were met there
PAUSES = (60, 600, 3600, 6 * 3600, 24 * 3600)  # seconds until the next try, by the number of attempts

Print = tuple[int, int, int, int]  # a Fingerprint's fields: a rescan compares 200,000 of them


def known(index: Index, root: int, folder: bytes) -> dict[bytes, Print]:
    """Name -> fingerprint of the living photos in one folder of a root."""
    with explained(
        index.path
    ):  # not by `Index.rows`, whose generator costs a fifth of this for 200,000 photos
        rows: Any = index.db.execute(
            "SELECT name, size, mtime_ns, ctime_ns, inode FROM photo"
            " WHERE root = ? AND folder = ? AND gone_at IS NULL",
            (root, folder),
        )
        return {name: (size, mtime, ctime, inode) for name, size, mtime, ctime, inode in rows}


def any_known(index: Index, root: int, under: bytes = b"") -> bool:
    """Whether a root holds a living photo, at or below the folder `under`."""
    condition, values = below(under)
    sql = f"SELECT 1 FROM photo WHERE root = ? AND gone_at IS NULL{condition} LIMIT 1"
    return index.row(sql, (root, *values)) is not None


def known_folders(index: Index, root: int, under: bytes = b"") -> set[bytes]:
    """The folders of a root, at or below `under`, that hold living photos."""
    condition, values = below(under)
    sql = f"SELECT DISTINCT folder FROM photo WHERE root = ? AND gone_at IS NULL{condition}"
    return {folder for (folder,) in index.rows(sql, (root, *values))}


def save(
    index: Index,
    root: int,
    folder: bytes,
    name: bytes,
    fingerprint: Fingerprint,
    hash_: bytes,
    now: int,
    born: int | None = None,
) -> tuple[int, bool]:
    """This content (32-byte BLAKE3) lies at this path. -> (content, is it new to the index).

    `born` is when the file was created, in ns. What lay at the path before is remembered, see `edits`.
    """
    with index.writing() as db:
        row = db.execute("SELECT id FROM content WHERE hash = ?", (hash_,)).fetchone()
        if row is None:
            db.execute("INSERT INTO content (hash) VALUES (?)", (hash_,))
            content, new = db.last_insert_rowid(), True
        else:
            content, new = row[0], False
        before = db.execute(
            "SELECT id, content, born FROM photo WHERE root = ? AND folder = ? AND name = ?",
            (root, folder, name),
        ).fetchone()
        _put(db, root, folder, name, fingerprint, content, now)
        db.execute(
            "UPDATE photo SET born = ? WHERE root = ? AND folder = ? AND name = ?",
            (born, root, folder, name),
        )
        db.execute(
            "DELETE FROM unreadable WHERE photo ="
            " (SELECT id FROM photo WHERE root = ? AND folder = ? AND name = ?)",
            (root, folder, name),
        )
        if before is not None and before[1] not in (None, content):
            notes.replaced(index, photo=before[0], before=before[1], born=before[2], after=content)
        return content, new


def content_at(index: Index, root: int, folder: bytes, name: bytes) -> int | None:
    """The content that lies at a living path; None if the index knows none."""
    row = index.row(
        "SELECT content FROM photo WHERE root = ? AND folder = ? AND name = ? AND gone_at IS NULL",
        (root, folder, name),
    )
    return row[0] if row else None


def suspect(index: Index, path: bytes, content: int) -> bool:
    """Other bytes than those of `content` were met at `path`: the next scan asks its hash again.

    -> whether the content has another living path that can be seen, where that was not so.
    """
    photo = find(index, path)
    with index.writing() as db:
        if photo is not None and photo.content == content:
            db.execute("UPDATE photo SET inode = ? WHERE id = ?", (OTHER_INODE, photo.id))
        others = paths(index, content)
    return any(each.online and each.fingerprint.inode != OTHER_INODE for each in others)


def save_unreadable(
    index: Index, root: int, folder: bytes, name: bytes, fingerprint: Fingerprint, error: str, now: int
) -> bool:
    """The file at this path could not be read; what was known of it stays, and it is tried again later.

    -> False when the same was known already and its next try is not due: that look does not count.
    """
    with index.writing() as db:
        if index.row(
            "SELECT 1 FROM photo JOIN unreadable ON unreadable.photo = photo.id WHERE gone_at IS NULL"
            " AND (root, folder, name, size, mtime_ns, ctime_ns, inode) = (?, ?, ?, ?, ?, ?, ?)"
            " AND not_before > ?",
            (root, folder, name, *msgspec.structs.astuple(fingerprint), now),
        ):
            return False
        _put(db, root, folder, name, fingerprint, content_at(index, root, folder, name), now)
        db.execute(
            "INSERT INTO unreadable SELECT id, 1, ?, ? FROM photo WHERE root = ? AND folder = ? AND name = ?"
            " ON CONFLICT (photo) DO UPDATE SET attempts = attempts + 1, error = excluded.error,"
            "  not_before = ? + CASE attempts WHEN 1 THEN ? WHEN 2 THEN ? WHEN 3 THEN ? ELSE ? END",
            (now + PAUSES[0], error, root, folder, name, now, *PAUSES[1:]),
        )
        return True


def due_unreadable(index: Index, root: int, now: int) -> list[tuple[bytes, bytes]]:
    """(folder, name) of the unreadable files of a root that are worth another try."""
    rows = index.rows(
        "SELECT folder, name FROM unreadable JOIN photo ON photo.id = unreadable.photo"
        " WHERE root = ?1 AND gone_at IS NULL AND attempts < ?2"
        # longer than any pause: set before the clock jumped back, and over
        " AND (not_before <= ?3 OR not_before > ?3 + ?4)",
        (root, MAX_ATTEMPTS, now, 2 * PAUSES[-1]),
    )
    return [(folder, name) for folder, name in rows]


def bury(index: Index, root: int, folder: bytes, names: Iterable[bytes], now: int) -> int:
    """These files are gone: they become tombstones. -> how many were alive."""
    buried = 0
    with index.writing() as db:
        for name in names:
            db.execute(
                "UPDATE photo SET gone_at = ? WHERE root = ? AND folder = ? AND name = ? AND gone_at IS NULL",
                (now, root, folder, name),
            )
            buried += db.changes()
    return buried


def find(index: Index, path: bytes) -> Photo | None:
    """The photo at an absolute path, tombstones included; None when the index does not know it."""
    place = roots.root_of(index, path)
    if place is None:
        return None
    root, folder, name = place
    for photo in _photos(index, "root = ? AND folder = ? AND name = ?", (root.id, folder, name)):
        return photo
    return None


def known_size(index: Index, size: int) -> bool:
    """Whether any photo, living or gone, has that many bytes: else its content is not worth a hash."""
    return (
        index.row("SELECT 1 FROM photo WHERE size = ? AND content IS NOT NULL LIMIT 1", (size,)) is not None
    )


def every_path(index: Index) -> Iterator[bytes]:
    """The absolute paths of all living photos, root by root, a thousand at a time: no long read."""
    last = 0
    while True:
        rows = list(
            index.rows(
                "SELECT photo.id, root.path, folder, name FROM photo JOIN root ON root.id = photo.root"
                " WHERE photo.id > ? AND gone_at IS NULL ORDER BY photo.id LIMIT 1000",
                (last,),
            )
        )
        if not rows:
            return
        last = rows[-1][0]
        for _, root, folder, name in rows:
            yield roots.join(root, folder, name)


def paths(index: Index, content: int) -> list[Photo]:
    """Where a content lies now: those online first, then by path."""
    found = _photos(index, "content = ? AND gone_at IS NULL", (content,))
    return sorted(found, key=lambda photo: (not photo.online, photo.path))


def paths_of(index: Index, contents: Iterable[int]) -> Mapping[int, list[Photo]]:
    """`paths` for many contents; those that lie nowhere are left out."""
    return {content: found for content in contents if (found := paths(index, content))}


def _photos(index: Index, where: str, values: tuple[object, ...]) -> Iterator[Photo]:
    rows = index.rows(
        "SELECT photo.id, root.path, folder, name, size, mtime_ns, ctime_ns, inode, content,"
        f" {roots.ONLINE}, gone_at FROM photo JOIN root ON root.id = photo.root WHERE {where}",
        values,
    )
    for id_, root, folder, name, size, mtime, ctime, inode, content, online, gone_at in rows:
        fingerprint = Fingerprint(size, mtime, ctime, inode)
        yield Photo(id_, roots.join(root, folder, name), fingerprint, content, bool(online), gone_at)


def below(folder: bytes) -> tuple[str, tuple[bytes, ...]]:
    """A further condition: at or below this folder of a root. Empty for the root itself."""
    if not folder:
        return "", ()
    # "/" + 1 is "0": the range of everything that begins with `folder/`
    return " AND (folder = ? OR (folder > ? AND folder < ?))", (folder, folder + b"/", folder + b"0")


def _put(
    db: apsw.Connection,
    root: int,
    folder: bytes,
    name: bytes,
    fingerprint: Fingerprint,
    content: int | None,
    now: int,
) -> None:
    f = fingerprint
    db.execute(
        "INSERT INTO photo (root, folder, name, size, mtime_ns, ctime_ns, inode, content, first_seen,"
        " last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (root, folder, name) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,"
        " ctime_ns = excluded.ctime_ns, inode = excluded.inode, content = excluded.content,"
        " last_seen = excluded.last_seen, gone_at = NULL",
        (root, folder, name, f.size, f.mtime_ns, f.ctime_ns, f.inode, content, now, now),
    )
