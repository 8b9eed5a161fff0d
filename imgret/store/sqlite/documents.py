"""The document of each content: saved, checked and rebuilt."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import apsw

from imgret.store.fold import cut
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.substrings import Substrings
from imgret.store.sqlite.text_columns import TextColumns


class Documents:
    """Implements `imgret.store.interface.retrieval.Documents`."""

    def __init__(self, connection: Connection, text_columns: TextColumns, substrings: Substrings) -> None:
        self._connection = connection
        self._text_columns = text_columns
        self._substrings = substrings

    def update(self, content: int, texts: Mapping[str, str]) -> None:
        """Replace the words in these columns of a content; the others stay. Raises ValueError for an unknown column."""
        if not texts:
            return
        unknown = texts.keys() - {column.name for column in self._text_columns.all()}
        if unknown:
            raise ValueError(f"the words index has no column {', '.join(sorted(unknown))}")
        names, values = list(texts), [cut(text) for text in texts.values()]
        columns = ", ".join(f'"{name}"' for name in names)
        new = ", ".join(f'excluded."{name}"' for name in names)
        with self._connection.writing() as db:
            db.execute(
                f"INSERT INTO document (content, {columns}) VALUES (?{', ?' * len(names)})"
                # Where nothing changes, the words index need not be written.
                f" ON CONFLICT (content) DO UPDATE SET ({columns}) = ({new}) WHERE ({columns}) IS NOT ({new})",
                (content, *values),
            )
            self._substrings.update(content, names)

    def stages(self) -> set[str]:
        """The stages that have columns."""
        return {column.stage for column in self._text_columns.all() if column.stage is not None}

    def empty_texts(self, stages: Collection[str]) -> dict[str, str]:
        """The columns of these stages, each without any words."""
        return {column.name: "" for column in self._text_columns.all() if column.stage in stages}

    def next(self, after: int, count: int) -> list[int]:
        """The next contents behind one that have documents."""
        sql = "SELECT content FROM document WHERE content > ? ORDER BY content LIMIT ?"
        return [content for (content,) in self._connection.rows(sql, (after, count))]

    def copy(self, source: int, target: int, stages: Collection[str]) -> None:
        """Give a content the words that these stages found in another one with the same pixels."""
        names = [column.name for column in self._text_columns.all() if column.stage in stages]
        columns = ", ".join(f'"{name}"' for name in names)
        row = self._connection.row(f"SELECT {columns or '1'} FROM document WHERE content = ?", (source,))
        if names and row is not None:
            self.update(target, dict(zip(names, row, strict=True)))

    def rebuild(self) -> None:
        """Rebuild the indexes of words and of substrings from the documents."""
        with self._connection.writing() as db:
            db.execute("INSERT INTO words (words) VALUES ('rebuild')")
            self._substrings.rebuild()

    def check(self) -> list[str]:
        with self._connection.writing() as db:
            try:  # only with rank = 1 is the index compared with the documents that it was made from
                db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
            except apsw.CorruptError as error:
                return [f"the words index does not fit its documents: {error}"]
        return self._substrings.check()
