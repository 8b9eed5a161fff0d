"""Read and write whole tables, to copy a library from or to another engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.locks import preparation_lock
from imgret.store.sqlite.sqlite_errors import translated_errors
from imgret.store.table_rows import Row, Table

STEP = 2000  # rows


class RowTransfer:
    """Implements `imgret.store.interface.store.Transfer`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        row = self._connection.row(f"SELECT count(*) FROM {table.name}")
        return int(row[0]) if row else 0

    def read(self, table: Table, after: Row | None = None) -> Iterator[list[Row]]:
        columns, key = ", ".join(table.columns), ", ".join(table.columns[: table.key])
        marks = ", ".join("?" * table.key)
        while True:
            where = f"WHERE ({key}) > ({marks})" if after else ""
            rows = list(
                self._connection.rows(
                    f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT {STEP}", after or ()
                )
            )
            if not rows:
                return
            after = rows[-1][: table.key]
            yield rows

    def write(self, table: Table, rows: list[Row]) -> None:
        marks = ", ".join("?" * len(table.columns))
        with self._connection.writing() as db:
            db.pragma("defer_foreign_keys", 1)  # a content may be an edit of a later one
            db.executemany(f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})", rows)

    def finish(self) -> None:
        """SQLite counts on from the largest id by itself."""


def remove(path: str) -> None:
    """Remove the index file at `path`, and the files beside it except those of the locks, which others may hold."""
    with preparation_lock(path), translated_errors(path):
        for each in (path, f"{path}-wal", f"{path}-shm"):
            if os.path.exists(each):
                os.unlink(each)
