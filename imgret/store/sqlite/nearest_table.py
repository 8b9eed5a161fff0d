"""The vec0 table of a space: its name, its rows as sqlite-vec keeps them, and what damage to it looks like.

A rebuild makes another table beside it, so there are two names for each space; `space.nearest` is the one that
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
from imgret.store.sqlite import vec0_chunks
from imgret.store.sqlite.vec0_chunks import drop as drop
from imgret.store.sqlite.vec0_chunks import exists as exists
from imgret.store.sqlite.vec0_chunks import shrink as shrink

OLD_NAMES = ("nearest", "nearest2")
STEP = 4096  # rows read at a time

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


def names(space: int) -> tuple[str, str]:
    """The two names that the table of a space has in turn."""
    return f"nearest{space}a", f"nearest{space}b"


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
    """The rows of the table in parts: (ids, rows); 0 is the id of a free place."""
    yield from vec0_chunks.parts(db, table, "vector" if kind is np.float32 else "code", kind, dimension)


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
