"""The rows of a vec0 table, read from the tables in which sqlite-vec keeps them.

vec0 gives its rows one by one, and compares vectors without SIMD. Its chunks, read as they are, are numpy arrays of
a thousand rows: 15 times faster at 100,000 photos. Their layout is described for the authors of sqlite-vec
(https://github.com/asg017/sqlite-vec/blob/main/ARCHITECTURE.md) and not promised. So a small table is read both
ways first, and where the two differ, rows are selected from the table as from any other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.store.sqlite.opening import load_extension

Ids = NDArray[np.int64]
Part = tuple[Ids, NDArray[Any]]  # ids (rows,), 0 where a place is free; vectors or codes (rows, dimension)

_log = logging.getLogger(__name__)

_SHADOWS = ("info", "chunks", "rowids", "vector_chunks00")  # each is named after its table
# Order of the bits that mark the places of a chunk which are in use.
_BITS: Literal["little", "big"] = "little"
_STEP = 4096  # rows selected at a time


def parts(db: apsw.Connection, table: str, column: str, kind: type, dimension: int) -> Iterator[Part]:
    """All rows of the table, in parts: float32 or int8 (`kind`) of this dimension. `column` holds them.

    Raises apsw.Error or ValueError where the table is damaged.
    """
    if readable():
        yield from _chunks(db, table, kind, dimension)
    else:
        yield from _selected(db, table, column, kind, dimension)


@cache
def readable() -> bool:
    """Whether the installed sqlite-vec lays its chunks out as this module reads them."""
    db = apsw.Connection(":memory:")
    try:
        load_extension(db)
        return all(_agrees(db, kind, sql) for kind, sql in ((np.float32, "float[8]"), (np.int8, "int8[8]")))
    except (apsw.Error, ValueError, TypeError, IndexError) as error:
        _log.warning("this version of sqlite-vec is read more slowly: %s", error)
        return False
    finally:
        db.close()


def drop(db: apsw.Connection, table: str) -> None:
    """Drop the table, a damaged one too: sqlite-vec drops it only where all its shadow tables are there."""
    if exists(db, table):
        for shadow in _SHADOWS:
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}_{shadow} (id)")
        db.execute(f"DROP TABLE {table}")
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?", (f"{table}_*",)
    ).fetchall():
        db.execute(f'DROP TABLE IF EXISTS "{name}"')


def shrink(db: apsw.Connection, table: str, chunks: int) -> bool:
    """Free the rows of so many chunks of a table that is to be dropped. -> were there any?

    False too where the chunks are kept in another way: then `drop` frees them all at once.
    """
    rows = f"{table}_vector_chunks00"
    if not (readable() and exists(db, rows)):
        return False
    db.execute(f"DELETE FROM {rows} WHERE rowid IN (SELECT rowid FROM {rows} LIMIT ?)", (chunks,))
    return db.changes() > 0


def exists(db: apsw.Connection, table: str) -> bool:
    """Is the table there?"""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).get is not None


def _chunks(db: apsw.Connection, table: str, kind: type, dimension: int) -> Iterator[Part]:
    """A chunk has a bit for each place that is set if it is in use, then the ids, then the rows."""
    # Apart, each in its own order: a join looks the large rows up one by one, which costs half as much again.
    known = db.execute(f"SELECT chunk_id, size, validity, rowids FROM {table}_chunks ORDER BY chunk_id")
    held = db.execute(f"SELECT rowid, vectors FROM {table}_vector_chunks00 ORDER BY rowid")
    for (chunk, size, validity, ids), (part, data) in zip(known, held, strict=True):
        if chunk != part:
            raise ValueError(f"chunk {chunk} has no vectors")
        taken = np.unpackbits(np.frombuffer(validity, np.uint8), count=size, bitorder=_BITS)
        rows: NDArray[Any] = np.frombuffer(data, kind).reshape(size, dimension)
        yield np.frombuffer(ids, np.int64, size) * taken, rows


def _selected(db: apsw.Connection, table: str, column: str, kind: type, dimension: int) -> Iterator[Part]:
    cursor = db.execute(f"SELECT content, {column} FROM {table}")
    while step := list(zip(range(_STEP), cursor, strict=False)):
        rows: NDArray[Any] = np.frombuffer(b"".join(data for _, (_, data) in step), kind)
        yield np.array([content for _, (content, _) in step], np.int64), rows.reshape(len(step), dimension)


def _agrees(db: apsw.Connection, kind: type, column: str) -> bool:
    """Whether a small table, one row of which was deleted, is the same read both ways. Raises where one fails."""
    table = f"small_{column.partition('[')[0]}"
    made: NDArray[Any] = np.arange(10 * 8).reshape(10, 8).astype(kind)
    sql = f"INSERT INTO {table} VALUES (?, {'?' if kind is np.float32 else 'vec_int8(?)'})"
    db.execute(f"CREATE VIRTUAL TABLE {table} USING vec0 (content INTEGER PRIMARY KEY, held {column})")
    db.executemany(sql, ((7 * row + 1, made[row].tobytes()) for row in range(len(made))))
    db.execute(f"DELETE FROM {table} WHERE content = 8")
    ours = _sorted(_chunks(db, table, kind, 8))
    theirs = _sorted(_selected(db, table, "held", kind, 8))
    if ours != theirs or len(theirs) != len(made) - 1:
        raise ValueError("its chunks have another layout")
    return True


def _sorted(read: Iterator[Part]) -> list[tuple[int, bytes]]:
    return sorted(
        (int(content), row.tobytes())
        for ids, rows in read
        for content, row in zip(ids, rows, strict=True)
        if content
    )
