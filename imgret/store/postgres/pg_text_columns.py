"""The columns of the words index: which there are, and adding and removing those of stages."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import TextColumn

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED = frozenset({"content", "rank", "rowid", "words"})  # as in the SQLite store


class TextColumns:
    """Implements `imgret.store.interface.retrieval.TextColumns`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._columns: dict[int, TextColumn] = {}
        self._read_in: int | None = None  # the transaction; nobody else changes them during it
        self.drop_words: Callable[[Collection[int]], None]  # of these columns; set by `postgres_store`

    def all(self) -> list[TextColumn]:
        return list(self.numbered().values())

    def numbers(self) -> dict[str, int]:
        """Name -> number of the column in the documents."""
        return {column.name: number for number, column in self.numbered().items()}

    def numbered(self) -> dict[int, TextColumn]:
        """Number of the column in the documents -> column."""
        if self._read_in is None or self._read_in != self._connection.transaction:
            rows = self._connection.fixed_rows(
                "SELECT position, name, stage, weight, substrings FROM text_column ORDER BY position"
            )
            self._columns = {number: TextColumn(*row) for number, *row in rows}
            self._read_in = self._connection.transaction
        return self._columns

    def set(self, wanted: Sequence[TextColumn]) -> bool:
        for column in wanted:
            if not _NAME.fullmatch(column.name) or column.name in _RESERVED or column.stage is None:
                raise ValueError(f"{column.name!r} cannot be a column of a stage")
        there = self.all()
        kept = {column.name: column for column in there if column.stage is not None}
        if sorted(wanted) == sorted(kept.values()):
            return False
        fixed = {column.name for column in there} - kept.keys()
        names = [column.name for column in wanted]
        if fixed.intersection(names) or len(set(names)) < len(names):
            raise ValueError(f"two columns of one name in {', '.join(names)}")
        gone, new = kept.keys() - set(names), [name for name in names if name not in kept]
        with self._connection.writing() as db:
            self._read_in = None
            if gone:
                numbers = self.numbers()
                self.drop_words([numbers[name] for name in gone])
                db.execute("DELETE FROM text_column WHERE name = ANY (%s)", (list(gone),))
            for column in wanted:
                db.execute(
                    "INSERT INTO text_column (name, stage, weight, substrings) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT (name) DO UPDATE SET stage = excluded.stage, weight = excluded.weight,"
                    " substrings = excluded.substrings",
                    tuple(column),
                )
            db.execute(
                "UPDATE letters SET substrings = text_column.substrings FROM text_column"
                " WHERE text_column.position = letters.position AND text_column.substrings <> letters.substrings"
            )
            self._read_in = None
        return bool(gone or new)
