"""Which models made the results."""

from __future__ import annotations

from imgret.photo import ModelIdentity
from imgret.store.sqlite.connection import Connection


class Models:
    """The rows of `model`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def id(self, stage: str, identity: ModelIdentity) -> int:
        """The row of a model; made on first use."""
        key = (stage, identity.name, identity.revision, identity.settings)
        where = "(stage, name, revision, settings) = (?, ?, ?, ?)"
        row = self._connection.row(f"SELECT id FROM model WHERE {where}", key)
        if row is not None:
            return int(row[0])
        with self._connection.writing() as db:
            db.execute("INSERT INTO model (stage, name, revision, settings) VALUES (?, ?, ?, ?)", key)
            return db.last_insert_rowid()
