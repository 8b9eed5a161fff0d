"""The store in one SQLite file: a connection, and the groups of what can be done with it."""

from __future__ import annotations

from imgret.store.shared.facets import Facets
from imgret.store.shared.failures import Failures
from imgret.store.shared.stage_rows import StageRows
from imgret.store.shared.summary import Summary
from imgret.store.sqlite import identity
from imgret.store.sqlite.backup import backup
from imgret.store.sqlite.connection import Connection
from imgret.store.sqlite.contents import Contents
from imgret.store.sqlite.documents import Documents
from imgret.store.sqlite.filters import Filters
from imgret.store.sqlite.model_rows import Models
from imgret.store.sqlite.nearest import Nearest
from imgret.store.sqlite.nearest_build import NearestBuild
from imgret.store.sqlite.notes import Notes
from imgret.store.sqlite.one_host import OneHost
from imgret.store.sqlite.photos import Photos
from imgret.store.sqlite.removal import Removal
from imgret.store.sqlite.results import Results
from imgret.store.sqlite.roots import Roots
from imgret.store.sqlite.row_transfer import RowTransfer
from imgret.store.sqlite.sidecar_rows import Sidecars
from imgret.store.sqlite.signatures import Signatures
from imgret.store.sqlite.spaces import Spaces
from imgret.store.sqlite.substrings import Substrings
from imgret.store.sqlite.text_columns import TextColumns
from imgret.store.sqlite.vectors import Vectors
from imgret.store.sqlite.words import Words
from imgret.store.sqlite.work import Work


class SqliteStore(Connection):
    """An open index file. Belongs to the thread that opened it."""

    def __init__(self, path: str, *, create: bool = True) -> None:
        """Open `path`, migrating it if need be. Without `create`, a missing file is an IndexProblem."""
        super().__init__(path, create=create)
        self.roots = Roots(self)
        self.facets = Facets(self)
        self.text_columns = TextColumns(self)
        substrings = Substrings(self, self.text_columns)
        self.documents = Documents(self, self.text_columns, substrings)
        self.sidecars = Sidecars(self)
        self.signatures = Signatures(self)
        self.workers = OneHost()
        self.failures = Failures(self)
        self.summary = Summary(self, self.roots)
        self.work = Work(self, self.summary)
        self.notes = Notes(self, self.roots, self.work.queue)
        self.words = Words(self, self.text_columns, self.facets, substrings)
        self.photos = Photos(self, self.notes, self.roots)
        self.nearest = Nearest(self, NearestBuild(self))
        self._stages = StageRows(self, self.text_columns)
        models = Models(self)
        spaces = Spaces(self, models.id)
        self.vectors = Vectors(self, spaces, self.nearest)
        self.results = Results(self, models, self.documents, self.notes, self.vectors)
        self.contents = Contents(self, self.notes, self.vectors)
        self.filters = Filters(self, self.facets, self.photos, self.roots, self.words)
        self.transfer = RowTransfer(self)
        self.removal = Removal(self, self.notes, self.results.refresh_words, self.roots)

    def stages(self) -> set[str]:
        return self._stages.all()

    def forget_stage(self, stage: str) -> None:
        self.vectors.forget_stage(stage)
        self.results.forget_stage(stage)
        self._stages.forget(stage)

    def renew_identity(self) -> None:
        """Give the file a new identity: copies made with `cp` before now are recognised as copies."""
        identity.renew(self)

    def backup(self, to: str) -> None:
        """Copy what is committed now to the new file `to`, mode 0600. Raises ImgretError naming the file at fault."""
        backup(self.db, to)
