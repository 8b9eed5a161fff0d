"""Make `nearest` anew beside the table that answers, in short transactions, and switch to it in one.

Everybody else may write meanwhile: a vector that is saved again has a higher id, so going through the
vectors by id finds whatever came since, and the last, short transaction takes in the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import apsw
import numpy as np

from imgret.photo import View
from imgret.store import codes
from imgret.store.sqlite import nearest_table, words
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.nearest_table import NAMES, TABLE, Ids, Matrix

Progress = Callable[[int, int], None]  # (rows done, rows in all)

STEP = 512  # vectors in one transaction: 10 ms
# After each transaction, so that others who wait to write come in: they look again after 1 to 25 ms.
PAUSE = 0.01  # seconds
FREED = 8  # chunks of the old table that are freed in one transaction, some 1 MB of codes

_BUILDING = "nearest building"  # the setting by which a build knows that no other began after it


class _Build:
    def __init__(
        self, connection: Connection, model: int | None, exact: int, progress: Progress | None
    ) -> None:
        self._connection = connection
        self._model = model
        self._progress = progress
        self._token = os.urandom(8).hex()
        self._last = 0  # id of the last vector taken in
        self._known: set[int] = set()  # contents in the table
        with connection.writing() as db:
            current = nearest_table.name(db)
            self._table = NAMES[1] if current == NAMES[0] else NAMES[0]
            connection.remember(_BUILDING, self._token)
            nearest_table.drop(db, self._table)
        with connection.reading() as db:
            self._total = nearest_table.present(db, model, -1)
            self._learned = codes.learn(_sample(db, model), self._total) if self._total > exact else None

    def run(self, switch: Callable[[], bool]) -> bool:
        """See `build`."""
        while len(step := self._read()) == STEP:
            with self._connection.writing() as db:
                if self._connection.setting(_BUILDING) != self._token:
                    return False
                self._put(db, step)
            self._let_others_write()
            if self._progress:
                self._progress(len(self._known), self._total)
        with self._connection.writing() as db:
            if self._connection.setting(_BUILDING) != self._token:
                return False
            while step := self._read():  # what is left, and what came since
                self._put(db, step)
            self._forget_removed(db)
            self._connection.remember(_BUILDING, None)
            if not switch():
                nearest_table.drop(db, self._table)
                return False
            self._change_over(db)
        self._drop_old()
        if self._progress:
            self._progress(len(self._known), len(self._known))
        return True

    def _let_others_write(self) -> None:
        if not self._connection.db.in_transaction:
            time.sleep(PAUSE)

    def _read(self) -> list[tuple[int, int, bytes]]:
        with self._connection.reading() as db:
            rows: Any = db.execute(
                # Not by the index on (model, view): it would sort all of them by id each time.
                "SELECT id, content, data FROM vector NOT INDEXED WHERE id > ? AND view = ? AND model = ?"
                " ORDER BY id LIMIT ?",
                (self._last, str(View.PASSAGE), self._model, STEP),
            ).fetchall()
        return list(rows)

    def _put(self, db: apsw.Connection, step: list[tuple[int, int, bytes]]) -> None:
        newest = {content: data for _, content, data in step}
        ids = np.array(list(newest), np.int64)
        vectors = np.frombuffer(b"".join(newest.values()), np.float16).reshape(len(newest), -1)
        if not nearest_table.exists(db, self._table):
            nearest_table.create(db, self._table, vectors.shape[1], self._learned)
        again = [(content,) for content in newest if content in self._known]
        db.executemany(f"DELETE FROM {self._table} WHERE content = ?", again)
        nearest_table.insert(db, self._table, ids, vectors.astype(np.float32), self._learned)
        self._known.update(newest)
        self._last = step[-1][0]

    def _forget_removed(self, db: apsw.Connection) -> None:
        if nearest_table.present(db, self._model, -1) == len(self._known):
            return
        sql = "SELECT content FROM vector WHERE model = ? AND view = ?"
        left = {content for (content,) in db.execute(sql, (self._model, str(View.PASSAGE)))}
        removed = [(content,) for content in self._known - left]
        db.executemany(f"DELETE FROM {self._table} WHERE content = ?", removed)

    def _change_over(self, db: apsw.Connection) -> None:
        self._connection.remember(TABLE, self._table)
        db.execute("DELETE FROM projection")
        if self._learned is not None:
            made = self._learned
            db.execute(
                "INSERT INTO projection (model, learned_from, scale, mean, basis) VALUES (?, ?, ?, ?, ?)",
                (self._model, self._total, made.scale, made.mean.tobytes(), made.basis.tobytes()),
            )

    def _drop_old(self) -> None:
        old = NAMES[0] if self._table == NAMES[1] else NAMES[1]
        while True:
            with self._connection.writing() as db:
                if nearest_table.name(db) != self._table or self._connection.setting(_BUILDING) is not None:
                    return
                if not nearest_table.shrink(db, old, FREED):
                    nearest_table.drop(db, old)
                    return
            self._let_others_write()


class NearestBuild:
    """Rebuilds the nearest-neighbour table beside the one in use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def build(
        self, model: int | None, exact: int, switch: Callable[[], bool], progress: Progress | None = None
    ) -> bool:
        """Make the table for the leading vectors of `model`, as codes when these are more than `exact`.

        `switch` is called in the transaction that changes over to it; False there, or another build that
        began meanwhile, and the table that answers stays. -> whether it was changed. Inside `writing()`
        everything is one transaction.
        """
        return _Build(self._connection, model, exact, progress).run(switch)


def _sample(db: apsw.Connection, model: int | None) -> Matrix:
    """At most `codes.SAMPLE` leading vectors, spread evenly over the library."""
    key = (model, str(View.PASSAGE))
    first, last = db.execute(
        "SELECT min(content), max(content) FROM vector WHERE model = ? AND view = ?", key
    ).fetchone() or (0, 0)
    # Ids have gaps where photos were forgotten: try more of them than are wanted.
    tried: Ids = np.unique(np.linspace(first, last, 4 * codes.SAMPLE).astype(np.int64))
    sql = "SELECT data FROM carray(?) CROSS JOIN vector ON content = value WHERE model = ? AND view = ?"
    found: list[Any] = db.execute(sql, (words.carray(tried), *key)).fetchall()
    kept = found[:: -(-len(found) // codes.SAMPLE)]
    matrix = np.frombuffer(b"".join(data for (data,) in kept), np.float16)
    return matrix.reshape(len(kept), -1).astype(np.float32)
