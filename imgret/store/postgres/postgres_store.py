"""The store in a PostgreSQL database: a connection, and the groups of what can be done with it."""

from __future__ import annotations

from imgret.errors import IndexProblem
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_contents import Contents
from imgret.store.postgres.pg_documents import Documents
from imgret.store.postgres.pg_errors import translated_errors
from imgret.store.postgres.pg_filters import Filters
from imgret.store.postgres.pg_models import Models
from imgret.store.postgres.pg_nearest import Nearest
from imgret.store.postgres.pg_notes import Notes
from imgret.store.postgres.pg_own_texts import OwnTexts
from imgret.store.postgres.pg_pending_results import PendingResults, PendingVectors
from imgret.store.postgres.pg_pending_work import PendingWork
from imgret.store.postgres.pg_photos import Photos
from imgret.store.postgres.pg_removal import Removal
from imgret.store.postgres.pg_results import Results
from imgret.store.postgres.pg_roots import Roots
from imgret.store.postgres.pg_sidecars import Sidecars
from imgret.store.postgres.pg_signatures import Signatures
from imgret.store.postgres.pg_spaces import Spaces
from imgret.store.postgres.pg_substrings import Substrings
from imgret.store.postgres.pg_text_columns import TextColumns
from imgret.store.postgres.pg_transfer import PgTransfer
from imgret.store.postgres.pg_vectors import Vectors
from imgret.store.postgres.pg_words import Words
from imgret.store.postgres.pg_work import Work
from imgret.store.postgres.pg_workers import Workers
from imgret.store.shared.facets import Facets
from imgret.store.shared.failures import Failures
from imgret.store.shared.stage_rows import StageRows
from imgret.store.shared.summary import Summary


class PostgresStore(Connection):
    """An open library. Belongs to the thread that opened it."""

    def __init__(self, place: str, *, create: bool = True) -> None:
        """Connect to `place`, migrating the library if need be. Without `create`, a missing one is an IndexProblem."""
        super().__init__(place, create=create)
        self.roots = Roots(self)
        self.facets = Facets(self)
        self.text_columns = TextColumns(self)
        substrings = Substrings(self, self.text_columns)
        own_texts = OwnTexts(self)
        self.documents = Documents(self, self.text_columns, substrings, own_texts)
        self.text_columns.drop_words = self.documents.drop_columns
        self.sidecars = Sidecars(self)
        self.signatures = Signatures(self)
        self.failures = Failures(self)
        pending_work = PendingWork(self)
        self.notes = Notes(self, self.roots, pending_work.queue)
        self.summary = Summary(self, self.roots)
        self.workers = Workers(self)
        self.work = Work(self, self.summary, self.workers, pending_work)
        self.words = Words(self, self.text_columns, self.documents, self.facets, substrings)
        self.photos = Photos(self, self.notes, self.roots)
        self.nearest = Nearest(self)
        self._stages = StageRows(self, self.text_columns)
        models = Models(self)
        spaces = Spaces(self, models.id)
        pending_vectors = PendingVectors(self)
        self.vectors = Vectors(self, spaces, self.nearest, pending_vectors)
        pending_results = PendingResults(self, self.documents.refresh)
        self.results = Results(
            self,
            models,
            self.documents,
            own_texts,
            self.notes,
            self.vectors,
            pending_results,
            pending_work,
        )
        self.contents = Contents(self, self.notes, self.documents, pending_work)
        # Work is last, because its order depends on the dates of contents.
        self.pending.written_by(
            own=(pending_results, self.notes, self.contents),
            at_end=(self.documents,),
            shared=(pending_vectors, pending_work),
        )
        self.filters = Filters(self, self.documents, self.facets, self.photos, self.roots, self.words)
        self.transfer = PgTransfer(self)
        self.removal = Removal(self, self.notes, self.results.refresh_words, self.roots)

    def checkpoint(self) -> bool:
        """Update the statistics of the planner. The server frees space by itself."""
        with translated_errors(self.path):
            if not self.in_transaction and self.writable:
                for table in ("photo", "content", "work", "tag", "document", "token", "vector"):
                    self.db.execute(f"ANALYZE {table}")
        return True

    def problems(self) -> list[str]:
        """Return the indexes that are not valid. PostgreSQL checks references itself."""
        rows = self.rows(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE NOT indisvalid AND relnamespace = quote_ident(current_schema())::regnamespace ORDER BY 1"
        )
        return [f"the index {name} is not complete" for (name,) in rows]

    def stages(self) -> set[str]:
        return self._stages.all()

    def forget_stage(self, stage: str) -> None:
        self.vectors.forget_stage(stage)
        self.results.forget_stage(stage)
        self._stages.forget(stage)

    def renew_identity(self) -> None:
        """Nothing: no file beside the library can be taken for another one's."""

    def backup(self, to: str) -> None:
        raise IndexProblem(
            f"{self.path} cannot be copied to {to}: it is on a server",
            "Use `pg_dump`, see docs/postgresql.md.",
        )
