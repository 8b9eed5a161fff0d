"""The figures of `imgret status`: how many photos there are, and how many are described."""

from __future__ import annotations

from collections.abc import Collection

from imgret.store import paths, row_values
from imgret.store.conditions import FAILED, NOT_FAILED
from imgret.store.interface.files import Roots
from imgret.store.records import Progress, Totals
from imgret.store.shared.dialect import Connection, Queries


class Summary(Queries):
    """Implements `imgret.store.interface.overview.Summary`."""

    def __init__(self, connection: Connection, roots: Roots) -> None:
        super().__init__(connection)
        self._roots = roots

    def totals(self, waiting: Collection[str] = ()) -> Totals:
        living = "SELECT count(*) FROM photo WHERE gone_at IS NULL"
        away = f"root IN (SELECT id FROM {self._dialect.root} WHERE NOT online) OR {self._dialect.away}"
        with self._connection.reading():
            photos = self._number(living)
            failed = self._number(f"{living} AND {FAILED}")
            # Apart: with OR between them, PostgreSQL would search a long queue once for each photo.
            unread = self._number(f"{living} AND content IS NULL AND {NOT_FAILED}")
            queued = self._number(f"{living} AND {_has_work_except(waiting)} AND {NOT_FAILED}")
            offline = self._number(f"{living} AND ({away})")
        pending = unread + queued
        return Totals(photos, photos - failed - pending, pending, failed, offline)

    def progress(self) -> Progress:
        return row_values.progress(self._kept_rows("SELECT stage, state, contents FROM progress"))

    def pending_below(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> set[int]:
        found: set[int] = set()
        with self._connection.reading():
            for path in folders:
                for root in self._roots.all():
                    inside, outside = paths.relative(root.path, path), paths.relative(path, root.path)
                    if not root.online or (inside is None and outside is None):
                        continue
                    # A root inside the folder is counted completely.
                    condition, values = self._dialect.below(inside or b"")
                    rows = self._rows(
                        f"SELECT content FROM photo WHERE gone_at IS NULL AND root = ?{condition}"
                        f" AND {_has_work_except(waiting)}"
                        " AND NOT EXISTS (SELECT 1 FROM work WHERE work.content = photo.content AND error IS NOT NULL)"
                        f" AND NOT {self._dialect.away}",
                        root.id,
                        *values,
                    )
                    found.update(content for (content,) in rows)
        return found

    def waiting_stages(self) -> frozenset[str]:
        return row_values.stage_names(self._connection.setting("waiting"))

    def photos_under(self, root: int) -> int:
        return self._number("SELECT count(*) FROM photo WHERE gone_at IS NULL AND root = ?", root)


def _has_work_except(stages: Collection[str]) -> str:
    """SQL for a photo whose content waits for other stages than these."""
    if not stages:  # SQLite looks up the work of all photos in half the time that the list below takes
        return "EXISTS (SELECT 1 FROM work WHERE work.content = photo.content)"
    names = ", ".join(f"'{stage}'" for stage in stages)  # identifiers: nothing to escape
    return f"content IN (SELECT content FROM work WHERE stage NOT IN ({names}))"
