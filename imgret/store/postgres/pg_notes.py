"""The notes of edited photos in PostgreSQL: what was compared is saved for all photos of a transaction together."""

from __future__ import annotations

from collections.abc import Callable, Collection

from imgret.store.interface.files import Roots
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_connection import Connection
from imgret.store.shared import dialect
from imgret.store.shared.note_queries import SETTLED, NoteQueries


class Notes(NoteQueries):
    """Implements `imgret.store.interface.descriptions.Notes`."""

    def __init__(
        self, connection: Connection, roots: Roots, queue: Callable[[int, Collection[str], int], None]
    ) -> None:
        super().__init__(connection, roots, queue)
        self._pending = connection.pending
        self._settled: set[int] = set()  # contents that were compared; see `pg_pending.Writer`

    def _compared(self, db: dialect.Database, content: int) -> None:  # noqa: ARG002 - later
        self._settled.add(content)
        self._pending.contents.add(content)

    def write_pending(self, db: Database) -> None:
        """See `pg_pending.Writer`."""
        settled, self._settled = self._settled, set()
        if settled:
            db.execute(
                "DELETE FROM replaced WHERE photo IN (SELECT id FROM photo WHERE content = ANY (%s::bigint[]))"
                f" AND {SETTLED}",
                (sorted(settled),),
            )

    def forget_pending(self) -> None:
        """See `pg_pending.Writer`."""
        self._settled.clear()
