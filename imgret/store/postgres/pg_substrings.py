"""Substrings: the letters of the columns of stages without anything between them, with an index of pg_trgm.

Like `store.sqlite.substrings`, but with a row for each column of a content.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgret.store.fold import squeezed
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_text_columns import TextColumns
from imgret.store.records import Term
from imgret.store.word_parts import runs

Ids = NDArray[np.int64]

CONTAINS = "substrings AND text LIKE %s"  # on a row of `letters`; looked up with at least three letters


class Substrings:
    """Keeps the letters, and finds contents by them."""

    def __init__(self, connection: Connection, text_columns: TextColumns) -> None:
        self._connection = connection
        self._text_columns = text_columns

    def update(self, texts: Iterable[tuple[int, int, str]]) -> None:
        """Replace the letters of columns: (content, number of the column, text)."""
        rows = [(content, number, squeezed(text)) for content, number, text in texts]
        if not rows:
            return
        with self._connection.writing() as db:
            db.query(
                "WITH new AS (SELECT content, position, new.text, substrings"
                "  FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS new (content, position, text)"
                "  JOIN text_column USING (position) WHERE stage IS NOT NULL),"
                " gone AS (DELETE FROM letters USING new WHERE letters.content = new.content"
                "  AND letters.position = new.position AND new.text = '')"
                " INSERT INTO letters SELECT content, position, text, substrings FROM new WHERE text <> ''"
                " ON CONFLICT (content, position) DO UPDATE SET text = excluded.text, substrings = excluded.substrings"
                " WHERE (letters.text, letters.substrings) IS DISTINCT FROM (excluded.text, excluded.substrings)",
                [list(column) for column in zip(*rows, strict=True)],
            )

    def copy(self, source: int, target: int, numbers: Collection[int]) -> None:
        """Give a content the letters of these columns of another one."""
        values = {"source": source, "target": target, "numbers": list(numbers)}
        with self._connection.writing() as db:
            db.execute(
                "DELETE FROM letters WHERE content = %(target)s AND position = ANY (%(numbers)s::bigint[])",
                values,
            )
            db.execute(
                "INSERT INTO letters SELECT %(target)s, position, text, substrings FROM letters"
                " WHERE content = %(source)s AND position = ANY (%(numbers)s::bigint[])",
                values,
            )

    def drop(self, contents: Collection[int], numbers: Collection[int]) -> None:
        """Forget the letters of these columns."""
        with self._connection.writing() as db:
            db.execute(
                "DELETE FROM letters WHERE content = ANY (%s::bigint[]) AND position = ANY (%s::bigint[])",
                (list(contents), list(numbers)),
            )

    def remove(self, content: int) -> None:
        """Forget the letters of a content."""
        with self._connection.writing() as db:
            db.execute("DELETE FROM letters WHERE content = %s", (content,))

    def containing(self, terms: Sequence[Term], count: int) -> Ids:
        """At most `count` contents for each long word, or run of words, that is part of their letters."""
        found: dict[int, None] = {}
        with self._connection.reading() as db:
            if self.any():
                sql = f"SELECT DISTINCT content FROM letters WHERE {CONTAINS} ORDER BY content LIMIT %s"
                for wanted in dict.fromkeys(text for text, _ in runs(terms)):
                    found.update((row[0], None) for row in db.execute(sql, (pattern(wanted), count)))
        return np.array(list(found), np.int64)

    def of(self, contents: Ids) -> dict[tuple[int, int], str]:
        """(content, number of the column) -> letters, of columns with `substrings`."""
        if not self.any():
            return {}
        rows = self._connection.rows(
            "SELECT content, position, text FROM letters WHERE substrings AND content = ANY (%s)", (contents,)
        )
        return {(content, position): text for content, position, text in rows}

    def any(self) -> bool:
        """Is there a column with `substrings`?"""
        return any(column.substrings for column in self._text_columns.all())

    def check(self) -> list[str]:
        """What is wrong with the letters, in sentences."""
        wrong = self._connection.number(
            "SELECT count(*) FROM letters JOIN text_column USING (position) WHERE letters.substrings <> text_column.substrings"
            " OR stage IS NULL OR NOT EXISTS (SELECT 1 FROM document WHERE document.content = letters.content)"
        )
        return [f"the index of substrings does not fit its texts in {wrong} places"] if wrong else []


def pattern(text: str) -> str:
    """The pattern for LIKE that finds these letters; `squeezed` leaves none that LIKE reads as its own."""
    return f"%{squeezed(text)}%"
