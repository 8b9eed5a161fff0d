"""Rebuild a nearest-neighbour table beside the one that is searched, in short transactions, and switch in one.

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

from imgret.store import codes
from imgret.store.records import Space
from imgret.store.sqlite import nearest_table, words
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.nearest_table import Ids, Matrix

Progress = Callable[[int, int], None]  # (rows done, rows in all)

STEP = 512  # vectors in one transaction: 10 ms
# After each transaction, so that others who wait to write come in: they look again after 1 to 25 ms.
PAUSE = 0.01  # seconds
FREED = 8  # chunks of the old table that are freed in one transaction, some 1 MB of codes

# With the space: the setting by which a build detects that another one began after it.
_BUILDING = "nearest building"


class _Build:
    def __init__(self, connection: Connection, space: Space, exact: int, progress: Progress | None) -> None:
        self._connection = connection
        self._space = space
        self._progress = progress
        self._token = os.urandom(8).hex()
        self._building = f"{_BUILDING} {space.id}"
        self._last = 0  # id of the last vector taken in
        self._known: set[int] = set()  # contents in the table
        with connection.writing() as db:
            names = nearest_table.names(space.id)
            self._table = names[1] if nearest_table.name(db, space.id) == names[0] else names[0]
            connection.remember(self._building, self._token)
            nearest_table.drop(db, self._table)
        with connection.reading() as db:
            self._total = nearest_table.present(db, space, -1)
            sample = _sample(db, space) if self._total > exact else None
        self._learned = None if sample is None else codes.learn(sample, self._total)

    def run(self, switch: Callable[[], bool]) -> bool:
        """See `build`."""
        while len(step := self._read()) == STEP:
            with self._connection.writing() as db:
                if self._connection.setting(self._building) != self._token:
                    return False
                self._put(db, step)
            self._let_others_write()
            if self._progress:
                self._progress(len(self._known), self._total)
        with self._connection.writing() as db:
            if self._connection.setting(self._building) != self._token:
                return False
            while step := self._read():  # what is left, and what came since
                self._put(db, step)
            self._forget_removed(db)
            self._connection.remember(self._building, None)
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
                # Not by the index on (space, view): it would sort all of them by id each time.
                "SELECT id, content, data FROM vector NOT INDEXED WHERE id > ? AND view = ? AND space = ?"
                " ORDER BY id LIMIT ?",
                (self._last, self._space.lead, self._space.id, STEP),
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
        if nearest_table.present(db, self._space, -1) == len(self._known):
            return
        sql = "SELECT content FROM vector WHERE space = ? AND view = ?"
        left = {content for (content,) in db.execute(sql, (self._space.id, self._space.lead))}
        removed = [(content,) for content in self._known - left]
        db.executemany(f"DELETE FROM {self._table} WHERE content = ?", removed)

    def _change_over(self, db: apsw.Connection) -> None:
        db.execute("UPDATE space SET nearest = ? WHERE id = ?", (self._table, self._space.id))
        db.execute("DELETE FROM projection WHERE space = ?", (self._space.id,))
        if self._learned is not None:
            made = self._learned
            db.execute(
                "INSERT INTO projection (space, learned_from, scale, mean, basis) VALUES (?, ?, ?, ?, ?)",
                (self._space.id, self._total, made.scale, made.mean.tobytes(), made.basis.tobytes()),
            )

    def _drop_old(self) -> None:
        for old in {*nearest_table.names(self._space.id), *nearest_table.OLD_NAMES} - {self._table}:
            while self._shrunk(old):
                self._let_others_write()

    def _shrunk(self, old: str) -> bool:
        """Free a part of a table that no space uses any more. -> is anything left of it?"""
        with self._connection.writing() as db:
            used = db.execute("SELECT 1 FROM space WHERE nearest = ?", (old,)).get is not None
            if used or self._connection.setting(self._building) is not None:
                return False
            if nearest_table.shrink(db, old, FREED):
                return True
            nearest_table.drop(db, old)
            return False


class NearestBuild:
    """Rebuilds the nearest-neighbour table of a space."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def build(
        self, space: Space, exact: int, switch: Callable[[], bool], progress: Progress | None = None
    ) -> bool:
        """Make the table for the leading vectors of a space, as codes when these are more than `exact`.

        `switch` is called in the transaction that changes over to it; False there, or another build that
        began meanwhile, and the table before stays. -> whether it was changed. Inside `writing()`
        everything is one transaction.
        """
        return _Build(self._connection, space, exact, progress).run(switch)


def _sample(db: apsw.Connection, space: Space) -> Matrix:
    """At most `codes.SAMPLE` leading vectors, spread evenly over the library."""
    key = (space.id, space.lead)
    first, last = db.execute(
        "SELECT min(content), max(content) FROM vector WHERE space = ? AND view = ?", key
    ).fetchone() or (0, 0)
    # Ids have gaps where photos were forgotten: try more of them than are wanted.
    tried: Ids = np.unique(np.linspace(first, last, 4 * codes.SAMPLE).astype(np.int64))
    sql = "SELECT data FROM carray(?) CROSS JOIN vector ON content = value WHERE space = ? AND view = ?"
    found: list[Any] = db.execute(sql, (words.carray(tried), *key)).fetchall()
    kept = found[:: -(-len(found) // codes.SAMPLE)]
    matrix = np.frombuffer(b"".join(data for (data,) in kept), np.float16)
    return matrix.reshape(len(kept), -1).astype(np.float32)
