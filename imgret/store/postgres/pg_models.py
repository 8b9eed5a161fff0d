"""Which models made the results."""

from __future__ import annotations

from imgret.photo import ModelIdentity
from imgret.store.postgres.pg_connection import Connection


class Models:
    """The rows of `model`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def id(self, stage: str, identity: ModelIdentity) -> int:
        """The row of a model; made on first use."""
        key = (stage, identity.name, identity.revision, identity.settings)
        where = "(stage, name, revision, settings) = (%s, %s, %s, %s)"
        row = self._connection.row(f"SELECT id FROM model WHERE {where}", key)
        if row is not None:
            return int(row[0])
        with self._connection.writing() as db:
            made = "INSERT INTO model (stage, name, revision, settings) VALUES (%s, %s, %s, %s) RETURNING id"
            return int(db.execute(made, key).get)

    def stages(self) -> set[str]:
        """The names of the stages that have results, vectors, columns of words or work in this index."""
        rows = self._connection.rows(
            "SELECT stage FROM model UNION SELECT stage FROM work"
            " UNION SELECT stage FROM text_column WHERE stage IS NOT NULL"
        )
        return {str(stage) for (stage,) in rows}
