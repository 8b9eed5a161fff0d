"""The vec0 table of a space: its name, its rows as sqlite-vec keeps them, and what damage to it looks like.

A rebuild makes another table beside it, so there are two names for each space; `space.nearest` says which one
is searched. A table made before there were spaces keeps its name, one of OLD_NAMES, until the next rebuild.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.store import codes
from imgret.store.records import Damaged, Space

OLD_NAMES = ("nearest", "nearest2")
_SHADOWS = ("info", "chunks", "rowids", "vector_chunks00")  # tables that sqlite-vec makes beside it
STEP = 4096  # rows read at a time

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


def names(space: int) -> tuple[str, str]:
    """The two names that the table of a space has in turn."""
    return f"nearest_{space}a", f"nearest_{space}b"


def name(db: apsw.Connection, space: int) -> str | None:
    """The table of a space that is searched now, be it there or not; None before it had one."""
    value = db.execute("SELECT nearest FROM space WHERE id = ?", (space,)).get
    return str(value) if value is not None else None


def projection(db: apsw.Connection, space: int) -> codes.Projection | None:
    """How the codes in the table of a space were made; None while it holds float32."""
    row: Any = db.execute(
        "SELECT learned_from, scale, mean, basis FROM projection WHERE space = ?", (space,)
    ).fetchone()
    if row is None:
        return None
    learned_from, scale, mean, basis = row
    mean = np.frombuffer(mean, np.float32)
    return codes.Projection(
        mean, np.frombuffer(basis, np.float32).reshape(len(mean), -1), scale, learned_from
    )


def rows(db: apsw.Connection, space: int, view: str) -> Iterator[tuple[Ids, Matrix]]:
    """The vectors of one view of a space in steps, by content: ids (n,), float32 (n, dimension)."""
    last = -1
    while True:
        step: list[tuple[Any, ...]] = db.execute(
            "SELECT content, data FROM vector WHERE space = ? AND view = ? AND content > ?"
            " ORDER BY content LIMIT ?",
            (space, view, last, STEP),
        ).fetchall()
        if not step:
            return
        last = step[-1][0]
        matrix = np.frombuffer(b"".join(data for _, data in step), np.float16)
        yield np.array([row[0] for row in step], np.int64), matrix.reshape(len(step), -1).astype(np.float32)


def present(db: apsw.Connection, space: Space, at_most: int) -> int:
    """How many photos have a leading vector in a space, counted no further than `at_most`; -1: all of them."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM vector WHERE space = ? AND view = ? LIMIT ?)"
    return int(db.execute(sql, (space.id, space.lead, at_most)).get)


def chunks(db: apsw.Connection, table: str, kind: type, dimension: int) -> Iterator[tuple[Ids, NDArray[Any]]]:
    """The rows of the table as sqlite-vec keeps them: (ids, rows); 0 is the id of a free place.

    A chunk has a bit a place that says whether it is taken, the ids, and the rows, one after the other
    (https://github.com/asg017/sqlite-vec/blob/main/ARCHITECTURE.md).
    """
    # Apart, each in its own order: a join looks the large rows up one by one, which costs half as much again.
    known = db.execute(f"SELECT chunk_id, size, validity, rowids FROM {table}_chunks ORDER BY chunk_id")
    parts = db.execute(f"SELECT rowid, vectors FROM {table}_vector_chunks00 ORDER BY rowid")
    for (chunk, size, validity, ids), (part, data) in zip(known, parts, strict=True):
        if chunk != part:
            raise ValueError(f"chunk {chunk} has no vectors")
        taken = np.unpackbits(np.frombuffer(validity, np.uint8), count=size, bitorder="little")
        rows: NDArray[Any] = np.frombuffer(data, kind).reshape(size, dimension)
        yield np.frombuffer(ids, np.int64, size) * taken, rows


def create(db: apsw.Connection, table: str, dimension: int, learned: codes.Projection | None) -> None:
    """Make the empty table, for vectors of this dimension or, with `learned`, for their codes."""
    if learned is None:
        column = f"vector float[{dimension}] distance_metric=cosine"
    else:
        column = f"code int8[{learned.basis.shape[1]}]"
    db.execute(f"CREATE VIRTUAL TABLE {table} USING vec0 (content INTEGER PRIMARY KEY, {column})")


def insert(
    db: apsw.Connection, table: str, ids: Ids, vectors: Matrix, learned: codes.Projection | None
) -> None:
    """Add contents that the table does not hold, with their vectors (contents, dimension)."""
    coded = vectors.astype(np.float32) if learned is None else learned.encode(vectors)
    sql = f"INSERT INTO {table} VALUES (?, {'?' if learned is None else 'vec_int8(?)'})"
    db.executemany(sql, ((content, row.tobytes()) for content, row in zip(ids.tolist(), coded, strict=True)))


def drop(db: apsw.Connection, table: str) -> None:
    """Drop the table, a damaged one too: sqlite-vec drops it only where all its shadow tables are there."""
    if exists(db, table):
        for shadow in _SHADOWS:
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}_{shadow} (id)")
        db.execute(f"DROP TABLE {table}")
    for shadow in _SHADOWS:
        db.execute(f"DROP TABLE IF EXISTS {table}_{shadow}")


def shrink(db: apsw.Connection, table: str, chunks: int) -> bool:
    """Free the rows of so many chunks of a table that is to be dropped. -> were there any?"""
    rows = f"{table}_vector_chunks00"
    if not exists(db, rows):
        return False
    db.execute(f"DELETE FROM {rows} WHERE rowid IN (SELECT rowid FROM {rows} LIMIT ?)", (chunks,))
    return db.changes() > 0


def exists(db: apsw.Connection, table: str) -> bool:
    """Is the table there?"""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).get is not None


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Whatever shows that the table is not as it was made becomes Damaged."""
    try:
        yield
    except apsw.Error as error:
        if not broken(error):
            raise
        raise Damaged(str(error)) from None
    except (ValueError, TypeError, IndexError) as error:  # a chunk of another shape, or without its rows
        raise Damaged(f"a chunk does not fit: {error}") from None


def broken(error: apsw.Error) -> bool:
    """Is this about the derived table itself, and not about the disk, a lock or the file?"""
    return type(error) in (apsw.SQLError, apsw.CorruptError, apsw.ConstraintError, apsw.MismatchError)
