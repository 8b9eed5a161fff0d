"""The notes of edited photos in SQLite."""

from __future__ import annotations

from imgret.store.shared.dialect import Database
from imgret.store.shared.note_queries import SETTLED, NoteQueries


class Notes(NoteQueries):
    """Implements `imgret.store.interface.descriptions.Notes`."""

    def _compared(self, db: Database, content: int) -> None:
        db.execute(
            f"DELETE FROM replaced WHERE photo IN (SELECT id FROM photo WHERE content = ?) AND {SETTLED}",
            (content,),
        )
