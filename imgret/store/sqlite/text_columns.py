"""The columns of the words index: which there are, and adding and removing those of stages.

Adding or removing one makes the FTS5 table again from the documents: its columns are fixed.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import apsw

from imgret.store.column_changes import column_changes
from imgret.store.records import TextColumn
from imgret.store.sqlite.connection import Connection
from imgret.store.tokens import TOKENIZER

_TOKENIZE = shlex.join([TOKENIZER[0], *TOKENIZER[1]])  # FTS5 reads quotes as a shell does


class TextColumns:
    """Implements `imgret.store.interface.retrieval.TextColumns`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[TextColumn]:
        rows = self._connection.rows(
            "SELECT name, stage, weight, substrings FROM text_column ORDER BY position"
        )
        return [TextColumn(name, stage, weight, bool(parts)) for name, stage, weight, parts in rows]

    def set(self, wanted: Sequence[TextColumn]) -> bool:
        there = self.all()
        changes = column_changes(there, wanted)
        if changes is None:
            return False
        gone, new = changes
        with self._connection.writing() as db:
            db.executemany("DELETE FROM text_column WHERE name = ?", [(name,) for name in gone])
            db.executemany(
                "INSERT INTO text_column (name, stage, weight, substrings) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET stage = excluded.stage, weight = excluded.weight, substrings = excluded.substrings",
                [tuple(column) for column in wanted],
            )
            if gone or new:
                _drop_index(db)
                for name in gone:
                    db.execute(f'ALTER TABLE document DROP COLUMN "{name}"')
                for name in new:
                    db.execute(f"ALTER TABLE document ADD COLUMN \"{name}\" TEXT NOT NULL DEFAULT ''")
                _make_index(db, [column.name for column in self.all()])
            if _with_letters(there) != _with_letters(self.all()):
                db.execute("DELETE FROM letters")
                fill_letters(db, [column for column in self.all() if column.substrings])
        return bool(gone or new)


def fill_letters(db: apsw.Connection, columns: Sequence[TextColumn], content: int | None = None) -> None:
    """Fill `letters` of all contents, or of one, from these columns of `document`. It has no row of them yet."""
    if columns:
        letters = letters_of([column.name for column in columns])
        one = "" if content is None else " AND content = ?"
        db.execute(
            f"INSERT INTO letters (content, text) SELECT content, {letters} FROM document WHERE {letters} <> ''{one}",
            () if content is None else (content,),
        )


def letters_of(names: Sequence[str]) -> str:
    """SQL for the letters of these columns, each in a line of its own; empty if there are none."""
    lines = " || char(10) || ".join(f'squeezed("{name}")' for name in names)
    return f"trim({lines or repr('')}, char(10))"


def _with_letters(columns: Sequence[TextColumn]) -> list[str]:
    return [column.name for column in columns if column.substrings]


def _drop_index(db: apsw.Connection) -> None:
    for trigger in ("added", "removed", "changed"):
        db.execute(f"DROP TRIGGER document_{trigger}")
    db.execute("DROP TABLE term; DROP TABLE words")


def _make_index(db: apsw.Connection, names: Sequence[str]) -> None:
    """The FTS5 table over these columns of `document`, filled, and what keeps it in sync."""
    columns = ", ".join(f'"{name}"' for name in names)
    old, new = (", ".join(f'{row}."{name}"' for name in names) for row in ("old", "new"))
    delete = f"INSERT INTO words (words, rowid, {columns}) VALUES ('delete', old.content, {old});"
    insert = f"INSERT INTO words (rowid, {columns}) VALUES (new.content, {new});"
    db.execute(
        f"CREATE VIRTUAL TABLE words USING fts5 ({columns}, content = 'document', content_rowid = 'content',"
        f' tokenize = "{_TOKENIZE}");'
        "CREATE VIRTUAL TABLE term USING fts5vocab (words, row);"
        "INSERT INTO words (words) VALUES ('rebuild');"
        f"CREATE TRIGGER document_added AFTER INSERT ON document BEGIN {insert} END;"
        f"CREATE TRIGGER document_removed AFTER DELETE ON document BEGIN {delete} END;"
        f"CREATE TRIGGER document_changed AFTER UPDATE ON document BEGIN {delete} {insert} END;"
    )
