"""Read and write whole tables, to copy a library from or to another engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from imgret.store.fold import fold_bytes
from imgret.store.postgres import pg_address, pg_arrays, pg_migrate
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_errors import translated_errors
from imgret.store.table_rows import Row, Table

STEP = 2000  # rows
TRUTHS = frozenset({"watched", "online", "removed", "truncated", "active"})  # columns of the type boolean
VIEWS = {"root": "root_here", "mount": "mount_here"}  # what is read: disks as this worker sees them
COUNTED = ("root", "content", "photo", "model", "space", "vector")  # tables whose ids a sequence counts


class PgTransfer:
    """Implements `imgret.store.interface.store.Transfer`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._roots: dict[int, bytes] = {}

    def count(self, table: Table) -> int:
        return self._connection.number(f"SELECT count(*) FROM {VIEWS.get(table.name, table.name)}")

    def read(self, table: Table, after: Row | None = None) -> Iterator[list[Row]]:
        columns, key = ", ".join(table.columns), ", ".join(table.columns[: table.key])
        marks = ", ".join(["%s"] * table.key)
        while True:
            where = f"WHERE ({key}) > ({marks})" if after else ""
            rows = list(
                self._connection.rows(
                    f"SELECT {columns} FROM {VIEWS.get(table.name, table.name)} {where} ORDER BY {key} LIMIT {STEP}",
                    after or (),
                )
            )
            if not rows:
                return
            after = rows[-1][: table.key]
            yield [tuple(map(_neutral, table.columns, row)) for row in rows]

    def write(self, table: Table, rows: list[Row]) -> None:
        columns = [*table.columns]
        with self._connection.writing() as db:
            if table.name == "photo":
                columns += ["folded_place", "folded_name"]
                rows = [(*row, *self._folded(*row[1:4])) for row in rows]
            elif table.name == "document":
                db.execute("UPDATE counter SET value = value + %s WHERE name = 'documents'", (len(rows),))
            elif table.name == "mount":
                worker = db.execute("SELECT this_worker()").get
                columns, rows = [*columns, "worker"], [(*row, worker) for row in rows]
            if table.name == "content":  # a content may be an edit of a later one
                db.execute("SET CONSTRAINTS content_edit_of_fkey DEFERRED")
            # As text, vectors would take three quarters of the time of all copying.
            if table.name == "vector":
                with db.cursor().copy(
                    f"COPY vector ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)".encode()
                ) as copy:
                    copy.write(pg_arrays.copied_vectors(rows))
                return
            with db.cursor().copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row([_ours(name, value) for name, value in zip(columns, row, strict=True)])
            if table.name == "root":  # the host that copies has them, as far as it is known
                db.execute(
                    "INSERT INTO root_seen (root, worker, filesystem, online, reason, path, watched)"
                    " SELECT id, this_worker(), filesystem, online, reason, path, watched FROM root"
                    " WHERE id = ANY (%s::bigint[])",
                    ([row[0] for row in rows],),
                )

    def finish(self) -> None:
        with self._connection.writing() as db:
            for name in COUNTED:
                db.execute(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name} HAVING max(id) IS NOT NULL"
                )

    def _folded(self, root: int, folder: bytes, name: bytes) -> tuple[str, str]:
        if root not in self._roots:
            self._roots.update(self._connection.rows("SELECT id, path FROM root"))
        return fold_bytes(os.path.join(self._roots[root], folder, b"")), fold_bytes(name)


def remove(place: str) -> None:
    """Remove the library at `place` from its server."""
    with translated_errors(place), pg_address.connect(place) as db:
        pg_migrate.unmade(db)


def _neutral(column: str, value: Any) -> Any:
    if column in TRUTHS:
        return int(value)
    if column == "data":
        return np.frombuffer(value, ">f2")[2:].astype("<f2").tobytes()
    return value


def _ours(column: str, value: Any) -> Any:
    if column in TRUTHS:
        return bool(value)
    return value
