"""The columns of the words index: which there are, and adding and removing those of stages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from imgret.store.column_changes import column_changes
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import TextColumn
from imgret.store.shared.content_steps import content_steps


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
            rows = self._connection.kept_rows(
                "SELECT position, name, stage, weight, substrings FROM text_column ORDER BY position",
                fixed=True,
            )
            self._columns = {number: TextColumn(*row) for number, *row in rows}
            self._read_in = self._connection.transaction
        return self._columns

    def set(self, wanted: Sequence[TextColumn]) -> bool:
        changes = column_changes(self.all(), wanted)
        if changes is None:
            return False
        gone, new = changes
        numbers = self.numbers()
        if gone:
            self.drop_words([numbers[name] for name in gone])
        self._take_over_substrings({numbers[each.name]: each for each in wanted if each.name in numbers})
        with self._connection.writing() as db:
            self._read_in = None
            if gone:
                self.drop_words([numbers[name] for name in gone])
                db.execute("DELETE FROM text_column WHERE name = ANY (%s)", (gone,))
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

    def _take_over_substrings(self, wanted: Mapping[int, TextColumn]) -> None:
        """Let the rows of `letters` have the setting that their columns get, in short transactions."""
        there = self.numbered()
        changed = {
            number: column.substrings
            for number, column in wanted.items()
            if column.substrings != there[number].substrings
        }
        if changed:
            for step in content_steps(self._connection):
                with self._connection.writing() as db:
                    for number, substrings in changed.items():
                        db.execute(
                            "UPDATE letters SET substrings = %s WHERE content > %s AND content <= %s AND position = %s"
                            " AND substrings <> %s",
                            (substrings, *step, number, substrings),
                        )
