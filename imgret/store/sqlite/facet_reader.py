"""Read the facets of an index without opening it whole, which takes longer than a tab of completion should."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import apsw

from imgret.errors import IndexMissing
from imgret.store.shared.facets import Facets
from imgret.store.sqlite.sqlite_dialect import DIALECT
from imgret.store.sqlite.sqlite_errors import translated_read_errors

BUSY_MS = 50


@contextmanager
def facets_of(path: str) -> Iterator[Facets]:
    """Open an index of this version for reading only, without its extension and its own functions.

    Raises IndexProblem, also for a file of another version.
    """
    if not os.path.exists(path):
        raise IndexMissing(f"there is no index at {path}")
    with translated_read_errors(path):
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        database = apsw.Connection(f"file:{quote(path)}?mode=ro", flags=flags)
        database.set_busy_timeout(BUSY_MS)
        try:
            yield Facets(_Rows(database))
        finally:
            database.close()


class _Rows:
    dialect = DIALECT

    def __init__(self, database: apsw.Connection) -> None:
        self._database = database

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        yield from self._database.execute(sql, values)

    kept_rows = rows
