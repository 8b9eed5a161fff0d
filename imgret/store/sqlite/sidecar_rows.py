"""Which sidecars there are. Their names determine which photos they describe, see `imgret.sidecar_names`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from imgret.photo import FileStat
from imgret.store.sqlite.connection import Connection, translated_errors
from imgret.store.sqlite.sqlite_dialect import below


class Sidecars:
    """Implements `imgret.store.interface.files.Sidecars`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, root: int, folder: bytes) -> dict[bytes, FileStat]:
        with translated_errors(self._connection.path):  # see `Photos.known`
            rows: Any = self._connection.db.execute(
                "SELECT name, size, mtime_ns, ctime_ns, inode FROM sidecar WHERE root = ? AND folder = ?",
                (root, folder),
            )
            return {name: (size, mtime, ctime, inode) for name, size, mtime, ctime, inode in rows}  # type: ignore[misc]

    def folders(self, root: int, under: bytes = b"") -> set[bytes]:
        condition, values = below(under)
        sql = f"SELECT DISTINCT folder FROM sidecar WHERE root = ?{condition}"
        return {folder for (folder,) in self._connection.rows(sql, (root, *values))}

    def present(self, root: int, folder: bytes, names: Sequence[bytes]) -> list[bytes]:
        marks = ", ".join("?" * len(names))
        rows = self._connection.rows(
            f"SELECT name FROM sidecar WHERE root = ? AND folder = ? AND name IN ({marks})",
            (root, folder, *names),
        )
        found = {name for (name,) in rows}
        return [name for name in names if name in found]

    def save(self, root: int, folder: bytes, name: bytes, file_stat: FileStat) -> None:
        with self._connection.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO sidecar (root, folder, name, size, mtime_ns, ctime_ns, inode)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (root, folder, name, *file_stat),
            )

    def forget(self, root: int, folder: bytes, names: Iterable[bytes]) -> None:
        with self._connection.writing() as db:
            db.executemany(
                "DELETE FROM sidecar WHERE root = ? AND folder = ? AND name = ?",
                [(root, folder, name) for name in names],
            )
