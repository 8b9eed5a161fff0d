"""`nearest`: the sqlite-vec table of the leading view, derived from `vector` and made anew at will.

Up to `EXACT` photos it holds float32 and answers exactly, and any SQLite shell with sqlite-vec can ask
it; above, it holds int8 codes, whose candidates are to be rescored from the truth. Nothing here is
ever the only copy: a table that is missing or damaged is rebuilt.

sqlite-vec keeps the table and finds room for its rows; what it holds is compared by numpy, a chunk at a
time, because sqlite-vec's wheel compares without SIMD (`python -m benchmarks.search` has both).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.index import codes, words
from imgret.index.connection import Index
from imgret.photo import View

EXACT = 50_000  # photos: beyond, a float32 scan takes longer than people wait
GROWN = 4  # the projection is learned again when the library is this many times larger
STEP = 4096  # rows a step of a rebuild
FEW = 4096  # ids that are sooner compared one by one than looked for in the table
ANSWERING = "answering"  # the setting that names the row of `model` whose vectors answer

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]
Progress = Callable[[int, int], None]  # (rows done, rows in all)


def answering(db: apsw.Connection) -> int | None:
    """The row of `model` whose vectors answer; None while there are no vectors."""
    value = db.execute("SELECT value FROM setting WHERE key = ?", (ANSWERING,)).get
    return int(value) if value is not None else None


def put(index: Index, content: int, vector: Matrix | None) -> None:
    """Within `writing()`: the leading vector of a content is now this one, (dimension,); None removes it."""
    with index.writing() as db:
        learned = projection(db)
        try:
            if not _exists(db):
                if vector is None:
                    return
                _create(db, len(vector), learned)
            db.execute("DELETE FROM nearest WHERE content = ?", (content,))
            if vector is not None:
                _insert(db, np.array([content]), vector[np.newaxis], learned)
        except apsw.Error as error:
            if not _broken(error):
                raise
            rebuild(index)


def search(index: Index, query: Matrix, count: int, among: Ids | None = None) -> Ids:
    """The `count` contents nearest to a unit vector (dimension,), nearest first; `among` these ids, if given.

    Exact in a small library, and among few. In a large one codes decide: ask for 4 times the results
    wanted, rescore them from the truth and cut (recall@20 is 0.997 so). Raises Damaged when the table
    cannot answer.
    """
    with index.reading() as db:
        model = answering(db)
        if model is None or count < 1 or (among is not None and not len(among)):
            return np.zeros(0, np.int64)
        if among is not None and len(among) <= FEW:
            return _best(*_of(db, model, query, among), count)
        with _damage():
            ids, scores = _compared(db, query, among)
        if among is None and len(ids) < count and len(ids) < present(db, model, count):
            raise Damaged(f"it knows only {len(ids)} photos")
        return _best(ids, scores, count)


def scan(index: Index, query: Matrix, count: int, among: Ids | None = None) -> Ids:
    """As `search`, always exact and without the table: every vector is read."""
    ids, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    with index.reading() as db:
        for step, vectors in rows(db, answering(db), View.PASSAGE):
            kept = slice(None) if among is None else np.isin(step, among)
            ids.append(step[kept])
            scores.append(vectors[kept] @ query)
    return _best(np.concatenate(ids), np.concatenate(scores), count)


class Damaged(Exception):
    """`nearest` is missing, damaged or lacks photos; `rebuild` makes it anew."""


def rebuild(index: Index, progress: Progress | None = None) -> None:
    """Make `nearest` anew from the truth, in one transaction: until it is done, the old table answers."""
    with index.writing() as db:
        _drop(db)
        db.execute("DELETE FROM projection")
        model = answering(db)
        total = present(db, model, -1)
        if not total:
            return
        learned = None
        if total > EXACT:
            learned = codes.learn(_sample(db, model), total)
            db.execute(
                "INSERT INTO projection (model, learned_from, scale, mean, basis) VALUES (?, ?, ?, ?, ?)",
                (model, total, learned.scale, learned.mean.tobytes(), learned.basis.tobytes()),
            )
        done = 0
        for ids, vectors in rows(db, model, View.PASSAGE):
            if not done:
                _create(db, vectors.shape[1], learned)
            _insert(db, ids, vectors, learned)
            done += len(ids)
            if progress:
                progress(done, total)


def tend(index: Index, progress: Progress | None = None) -> bool:
    """Rebuild if the library has outgrown what the table was made for. Cheap when it has not.

    Whoever writes calls it between batches; questions go on being answered from the old table.
    """
    with index.reading() as db:
        model, learned = answering(db), projection(db)
        limit = EXACT if learned is None else learned.learned_from * GROWN
        outgrown = present(db, model, limit + 1) > limit
    if outgrown:
        rebuild(index, progress)
    return outgrown


def check(index: Index) -> list[str]:
    """What is wrong with the table, in sentences; empty when it is sound."""
    with index.reading() as db:
        model = answering(db)
        first = next(rows(db, model, View.PASSAGE), None)
        if first is None:
            return []
        truth = "SELECT content FROM vector WHERE model = ? AND view = ?"
        key = (model, str(View.PASSAGE))
        try:
            with _damage():
                there = _compared(db, first[1][0], None)[0]
                unknown = db.execute(
                    f"{truth} AND content NOT IN (SELECT content FROM nearest)", key
                ).fetchall()
        except Damaged as error:
            return [f"the table `nearest` is missing or damaged: {error}"]
        wanted = np.fromiter((row[0] for row in db.execute(truth, key)), np.int64)
    lacking = max(len(np.setdiff1d(wanted, there)), len(unknown))
    return [f"the table `nearest` lacks {lacking} photos"] if lacking else []


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


def _compared(db: apsw.Connection, query: Matrix, among: Ids | None) -> tuple[Ids, Matrix]:
    """The table's contents and how near each lies to the query, in the table's order."""
    learned = projection(db)
    weights = query if learned is None else learned.weights(query)
    wanted = None
    if among is not None:
        wanted = np.zeros(int(db.execute("SELECT max(id) FROM content").get or 0) + 1, bool)
        wanted[among] = True
    found: list[tuple[Ids, Matrix]] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for ids, rows in _chunks(db, np.float32 if learned is None else np.int8, len(weights)):
        scores = codes.product(rows, weights) if learned is None else learned.scores(rows, weights)
        kept = ids > 0 if wanted is None else wanted[ids]
        found.append((ids[kept], scores[kept]))
    return np.concatenate([ids for ids, _ in found]), np.concatenate([scores for _, scores in found])


def _chunks(db: apsw.Connection, kind: type, dimension: int) -> Iterator[tuple[Ids, NDArray[Any]]]:
    """The rows of the table as sqlite-vec keeps them: (ids, rows); 0 is the id of a free place.

    A chunk has a bit a place that says whether it is taken, the ids, and the rows, one after the other
    (https://github.com/asg017/sqlite-vec/blob/main/ARCHITECTURE.md).
    """
    sql = (
        "SELECT size, validity, rowids, vectors FROM nearest_chunks AS chunk"
        " LEFT JOIN nearest_vector_chunks00 AS part ON part.rowid = chunk.chunk_id"
    )
    for size, validity, ids, data in db.execute(sql):
        taken = np.unpackbits(np.frombuffer(validity, np.uint8), count=size, bitorder="little")
        rows: NDArray[Any] = np.frombuffer(data, kind).reshape(size, dimension)
        yield np.frombuffer(ids, np.int64, size) * taken, rows


def _of(db: apsw.Connection, model: int, query: Matrix, among: Ids) -> tuple[Ids, Matrix]:
    """Those of these contents that have a leading vector, and their cosines, from the truth."""
    sql = "SELECT content, data FROM carray(?) CROSS JOIN vector ON content = value WHERE model = ? AND view = ?"
    found: list[Any] = db.execute(sql, (words.carray(among), model, str(View.PASSAGE))).fetchall()
    rows = np.frombuffer(b"".join(data for _, data in found), np.float16).reshape(len(found), len(query))
    return np.array([content for content, _ in found], np.int64), rows.astype(np.float32) @ query


def _best(ids: Ids, scores: Matrix, count: int) -> Ids:
    """The `count` ids with the highest scores, the highest first."""
    top = np.arange(len(ids)) if count >= len(ids) else np.argpartition(-scores, count)[:count]
    return ids[top[np.argsort(-scores[top], kind="stable")]]


def _create(db: apsw.Connection, dimension: int, learned: codes.Projection | None) -> None:
    if learned is None:
        column = f"vector float[{dimension}] distance_metric=cosine"
    else:
        column = f"code int8[{learned.basis.shape[1]}]"
    db.execute(f"CREATE VIRTUAL TABLE nearest USING vec0 (content INTEGER PRIMARY KEY, {column})")


def _insert(db: apsw.Connection, ids: Ids, vectors: Matrix, learned: codes.Projection | None) -> None:
    coded = vectors.astype(np.float32) if learned is None else learned.encode(vectors)
    sql = f"INSERT INTO nearest VALUES (?, {'?' if learned is None else 'vec_int8(?)'})"
    db.executemany(sql, ((content, row.tobytes()) for content, row in zip(ids.tolist(), coded, strict=True)))


def _drop(db: apsw.Connection) -> None:
    """Drop the table, a damaged one too: sqlite-vec drops it only where all its shadow tables are there."""
    if _exists(db):
        for shadow in ("info", "chunks", "rowids", "vector_chunks00"):
            db.execute(f"CREATE TABLE IF NOT EXISTS nearest_{shadow} (id)")
        db.execute("DROP TABLE nearest")
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'nearest_*'"
    ).fetchall():
        db.execute(f'DROP TABLE IF EXISTS "{name}"')


def _exists(db: apsw.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'nearest'").get is not None


def present(db: apsw.Connection, model: int | None, at_most: int) -> int:
    """How many photos have a leading vector, counted no further than `at_most`."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM vector WHERE model = ? AND view = ? LIMIT ?)"
    return int(db.execute(sql, (model, str(View.PASSAGE), at_most)).get)


def _sample(db: apsw.Connection, model: int | None) -> Matrix:
    """At most `codes.SAMPLE` leading vectors, spread evenly over the library."""
    key = (model, str(View.PASSAGE))
    first, last = db.execute(
        "SELECT min(content), max(content) FROM vector WHERE model = ? AND view = ?", key
    ).fetchone() or (0, 0)
    # Ids have gaps where photos were forgotten: try more of them than are wanted.
    tried = np.unique(np.linspace(first, last, 4 * codes.SAMPLE).astype(np.int64))
    sql = "SELECT data FROM carray(?) CROSS JOIN vector ON content = value WHERE model = ? AND view = ?"
    found: list[Any] = db.execute(sql, (words.carray(tried), *key)).fetchall()
    kept = found[:: -(-len(found) // codes.SAMPLE)]
    matrix = np.frombuffer(b"".join(data for (data,) in kept), np.float16)
    return matrix.reshape(len(kept), -1).astype(np.float32)


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Whatever shows that the table is not as it was made becomes Damaged."""
    try:
        yield
    except apsw.Error as error:
        if not _broken(error):
            raise
        raise Damaged(str(error)) from None
    except (ValueError, TypeError, IndexError) as error:  # a chunk of another shape, or without its rows
        raise Damaged(f"a chunk does not fit: {error}") from None


def _broken(error: apsw.Error) -> bool:
    """Is this about the derived table itself, and not about the disk, a lock or the file?"""
    return type(error) in (apsw.SQLError, apsw.CorruptError, apsw.ConstraintError, apsw.MismatchError)
