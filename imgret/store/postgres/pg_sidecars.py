"""Which sidecars there are. Their names determine which photos they describe, see `imgret.sidecar_names`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from imgret.photo import FileStat
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_dialect import IN_FOLDER, below


class Sidecars:
    """Implements `imgret.store.interface.files.Sidecars`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, root: int, folder: bytes) -> dict[bytes, FileStat]:
        rows: Any = self._connection.rows(
            f"SELECT name, size, mtime_ns, ctime_ns, inode FROM sidecar WHERE root = %s AND {IN_FOLDER}",
            (root, folder, folder),
        )
        return {name: FileStat(*file_stat) for name, *file_stat in rows}

    def folders(self, root: int, under: bytes = b"") -> set[bytes]:
        condition, values = below(under)
        sql = f"SELECT DISTINCT folder FROM sidecar WHERE root = %s{condition}"
        return {folder for (folder,) in self._connection.rows(sql, (root, *values))}

    def present(self, root: int, folder: bytes, names: Sequence[bytes]) -> list[bytes]:
        rows = self._connection.rows(
            f"SELECT name FROM sidecar WHERE root = %s AND {IN_FOLDER} AND name = ANY (%s::bytea[])",
            (root, folder, folder, list(names)),
        )
        found = {name for (name,) in rows}
        return [name for name in names if name in found]

    def save(self, root: int, folder: bytes, name: bytes, file_stat: FileStat) -> None:
        with self._connection.writing() as db:
            db.execute(
                "INSERT INTO sidecar (root, folder, name, size, mtime_ns, ctime_ns, inode) VALUES (%s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (root, sha256(folder), name) DO UPDATE SET size = excluded.size,"
                " mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, inode = excluded.inode",
                (root, folder, name, *file_stat),
            )

    def forget(self, root: int, folder: bytes, names: Iterable[bytes]) -> None:
        with self._connection.writing() as db:
            db.execute(
                f"DELETE FROM sidecar WHERE root = %s AND {IN_FOLDER} AND name = ANY (%s::bytea[])",
                (root, folder, folder, list(names)),
            )
