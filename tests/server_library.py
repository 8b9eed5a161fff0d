"""Photos of a library on a server, and SQL that is executed past imgret."""

from __future__ import annotations

import psycopg

from imgret.photo import FileStat
from imgret.store.interface import Store

NOW = 1_700_000_000
STAGES = ("decode", "caption")


def add(store: Store, number: int, folder: bytes = b"") -> int:
    """Add the photo /p/FOLDER/NUMBER.jpg. -> its content"""
    root = store.roots.add(b"/p")
    stat, hash_ = FileStat(number, 1, 1, 1), number.to_bytes(32, "big")
    return store.photos.save(root.id, folder, b"%d.jpg" % number, stat, hash_, NOW)[0]


def own(place: str, sql: str) -> list[tuple[object, ...]]:
    """Execute SQL in a library, as an administrator would."""
    with psycopg.connect(place, autocommit=True) as db:
        cursor = db.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []
