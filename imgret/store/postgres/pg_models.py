"""Which models made the results."""

from __future__ import annotations

from imgret.photo import ModelIdentity
from imgret.store.postgres.pg_connection import Connection


class Models:
    """The rows of `model`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str, str, str], int] = {}
        self._known_in: int | None = None  # the transaction: nobody else changes them during it

    def id(self, stage: str, identity: ModelIdentity) -> int:
        """The row of a model; made on first use."""
        key = (stage, identity.name, identity.revision, identity.settings)
        if self._known_in is None or self._known_in != self._connection.transaction:
            rows = self._connection.fixed_rows("SELECT stage, name, revision, settings, id FROM model")
            self._known = {(stage, *of): id_ for stage, *of, id_ in rows}
            self._known_in = self._connection.transaction
        if key not in self._known:
            self._known[key] = self._made(key)
        return self._known[key]

    def forget(self, stage: str) -> None:
        """Drop the models of a stage, which has no results any more. Within `writing()`."""
        with self._connection.writing() as db:
            db.execute("DELETE FROM model WHERE stage = %s", (stage,))
        self._known_in = None

    def _made(self, key: tuple[str, str, str, str]) -> int:
        with self._connection.writing() as db:
            made = "INSERT INTO model (stage, name, revision, settings) VALUES (%s, %s, %s, %s) RETURNING id"
            return int(db.execute(made, key).get)
