"""Substrings: the letters of some text columns without anything between them, in a trigram index.

A plate that was read as `RE16 TGK` or a sign read as `RESTRICTEDAREA` is found by `16tgk` and by `restricted area`:
spaces, punctuation, case and accents do not matter. The row of a content has its columns in lines of their own, so that
nothing is found across two of them. It is derived from `document`; a content without such text has none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.store.fold import squeezed
from imgret.store.records import Term, TextColumn
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.text_columns import TextColumns, fill_letters, letters_of
from imgret.store.word_parts import runs

Ids = NDArray[np.int64]


class Substrings:
    """Keeps the index, and finds contents by it."""

    def __init__(self, connection: Connection, text_columns: TextColumns) -> None:
        self._connection = connection
        self._text_columns = text_columns

    def columns(self) -> list[TextColumn]:
        """The columns whose substrings are found."""
        return [column for column in self._text_columns.all() if column.substrings]

    def update(self, content: int, changed: Collection[str]) -> None:
        """Take over what changed in the document of a content; `changed` are names of columns."""
        columns = self.columns()
        if any(column.name in changed for column in columns):
            with self._connection.writing() as db:
                db.execute("DELETE FROM letters WHERE content = ?", (content,))
                fill_letters(db, columns, content)

    def containing(self, terms: Sequence[Term], count: int) -> Ids:
        """At most `count` contents for each long word, or run of words, that is part of their letters."""
        found: dict[int, None] = {}
        if terms and self.columns():
            with self._connection.reading() as db:
                sql = f"SELECT rowid FROM letters_index WHERE {CONTAINS} LIMIT ?"
                for wanted in dict.fromkeys(text for text, _ in runs(terms)):
                    found.update(dict.fromkeys(row[0] for row in db.execute(sql, (pattern(wanted), count))))
        return np.array(list(found), np.int64)

    def rebuild(self) -> None:
        """Rebuild the index from the documents."""
        with self._connection.writing() as db:
            db.execute("INSERT INTO letters_index (letters_index) VALUES ('rebuild'); DELETE FROM letters")
            fill_letters(db, self.columns())

    def check(self) -> list[str]:
        """What is wrong with the index, in sentences."""
        names = [column.name for column in self.columns()]
        with self._connection.writing() as db:
            try:
                db.execute("INSERT INTO letters_index (letters_index, rank) VALUES ('integrity-check', 1)")
            except apsw.CorruptError as error:
                return [f"the index of substrings does not fit its texts: {error}"]
            expression = letters_of(names)
            sql = (
                "SELECT count(*) FROM document LEFT JOIN letters USING (content)"
                f" WHERE coalesce(letters.text, '') <> {expression}"
            )
            wrong = int(db.execute(sql).get) if names else 0
        return [f"the index of substrings lacks or repeats the texts of {wrong} photos"] if wrong else []


# In `letters_index`; with at least three letters it is looked up, else all texts are read.
CONTAINS = "text GLOB ?"


def pattern(text: str) -> str:
    """The pattern for GLOB that finds these letters; `squeezed` leaves none that GLOB reads as its own."""
    return f"*{squeezed(text)}*"
