"""The vec0 table behind `nearest`: its name, its rows as sqlite-vec keeps them, and what damage to it looks like.

A rebuild makes another table beside it, so there are two names, and a setting says which one answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.photo import View
from imgret.store import codes
from imgret.store.records import Damaged

ANSWERING = "answering"  # the setting that names the row of `model` whose vectors answer
TABLE = "nearest table"  # the setting that names the table; none: the first of NAMES
NAMES = ("nearest", "nearest2")
STEP = 4096  # rows read at a time

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


def answering(db: apsw.Connection) -> int | None:
    """The row of `model` whose vectors answer; None while there are no vectors."""
    value = db.execute("SELECT value FROM setting WHERE key = ?", (ANSWERING,)).get
    return int(value) if value is not None else None


def name(db: apsw.Connection) -> str:
    """The table that answers now, be it there or not."""
    value = db.execute("SELECT value FROM setting WHERE key = ?", (TABLE,)).get
    return NAMES[1] if value == NAMES[1] else NAMES[0]


def projection(db: apsw.Connection) -> codes.Projection | None:
    """How the table's codes were made; None while it holds float32."""
    row = db.execute("SELECT learned_from, scale, mean, basis FROM projection").fetchone()
    if row is None:
        return None
    learned_from, scale, mean, basis = row
    mean = np.frombuffer(mean, np.float32)
    return codes.Projection(
        mean, np.frombuffer(basis, np.float32).reshape(len(mean), -1), scale, learned_from
    )


def rows(db: apsw.Connection, model: int | None, view: View) -> Iterator[tuple[Ids, Matrix]]:
    """The truth of one view in steps, by content: (ids, vectors as float32)."""
    last = -1
    while True:
        step: list[tuple[Any, ...]] = db.execute(
            "SELECT content, data FROM vector WHERE model = ? AND view = ? AND content > ?"
            " ORDER BY content LIMIT ?",
            (model, str(view), last, STEP),
        ).fetchall()
        if not step:
            return
        last = step[-1][0]
        matrix = np.frombuffer(b"".join(data for _, data in step), np.float16)
        yield np.array([row[0] for row in step], np.int64), matrix.reshape(len(step), -1).astype(np.float32)


def present(db: apsw.Connection, model: int | None, at_most: int) -> int:
    """How many photos have a leading vector, counted no further than `at_most`."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM vector WHERE model = ? AND view = ? LIMIT ?)"
    return int(db.execute(sql, (model, str(View.PASSAGE), at_most)).get)


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
        for shadow in ("info", "chunks", "rowids", "vector_chunks00"):
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}_{shadow} (id)")
        db.execute(f"DROP TABLE {table}")
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?", (f"{table}_*",)
    ).fetchall():
        db.execute(f'DROP TABLE IF EXISTS "{name}"')


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
