"""Which stages a library has something of, and forgetting one."""

from __future__ import annotations

from imgret.store.interface.retrieval import TextColumns
from imgret.store.shared.content_steps import content_steps
from imgret.store.shared.dialect import Connection, Queries


class StageRows(Queries):
    """The stages in the tables `model`, `work`, `progress` and `text_column`."""

    def __init__(self, connection: Connection, text_columns: TextColumns) -> None:
        super().__init__(connection)
        self._text_columns = text_columns

    def all(self) -> set[str]:
        """The names of the stages that have results, vectors, columns of words or work in this index."""
        rows = self._rows(
            "SELECT stage FROM model UNION SELECT stage FROM work"
            " UNION SELECT stage FROM text_column WHERE stage IS NOT NULL"
        )
        return {str(stage) for (stage,) in rows}

    def forget(self, stage: str) -> None:
        """Drop the work of a stage and its columns of words, in short transactions. Its results and vectors are gone already."""
        self._text_columns.set(
            [column for column in self._text_columns.all() if column.stage not in (None, stage)]
        )
        drop = self._sql("DELETE FROM work WHERE content > ? AND content <= ? AND stage = ?")
        for step in content_steps(self._connection):
            with self._connection.writing() as db:
                db.execute(drop, (*step, stage))
        with self._connection.writing() as db:
            db.execute(self._sql("DELETE FROM work WHERE stage = ?"), (stage,))
            db.execute(self._sql("DELETE FROM progress WHERE stage = ?"), (stage,))
