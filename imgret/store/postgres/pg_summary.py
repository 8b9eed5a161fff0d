"""The figures of `imgret status`: how many photos there are, and how many are described."""

from __future__ import annotations

from collections.abc import Collection

from imgret.store import paths, row_values
from imgret.store.conditions import FAILED
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_roots import AWAY, Roots, below
from imgret.store.records import Progress, Totals


class Summary:
    """Implements `imgret.store.interface.overview.Summary`."""

    def __init__(self, connection: Connection, roots: Roots) -> None:
        self._connection = connection
        self._roots = roots

    def totals(self, waiting: Collection[str] = ()) -> Totals:
        living = "SELECT count(*) FROM photo WHERE gone_at IS NULL"
        todo = "(content IS NULL OR content IN (SELECT content FROM work WHERE stage <> ALL (%s::text[])))"
        with self._connection.reading():
            photos = self._count(living)
            failed = self._count(f"{living} AND {FAILED}")
            pending = self._count(f"{living} AND {todo} AND NOT {FAILED}", (list(waiting),))
            offline = self._count(
                f"{living} AND (root IN (SELECT id FROM root_here WHERE NOT online) OR {AWAY})"
            )
        return Totals(photos, photos - failed - pending, pending, failed, offline)

    def progress(self) -> Progress:
        return row_values.progress(self._connection.rows("SELECT stage, state, contents FROM progress"))

    def pending_below(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> set[int]:
        found: set[int] = set()
        with self._connection.reading():
            for path in folders:
                for root in self._roots.all():
                    inside, outside = paths.relative(root.path, path), paths.relative(path, root.path)
                    if not root.online or (inside is None and outside is None):
                        continue
                    condition, values = below(inside or b"")  # a root inside the folder is counted completely
                    rows = self._connection.rows(
                        f"SELECT content FROM photo WHERE gone_at IS NULL AND root = %s{condition}"
                        " AND content IN (SELECT content FROM work WHERE stage <> ALL (%s::text[]))"
                        " AND NOT EXISTS (SELECT 1 FROM work WHERE work.content = photo.content AND error IS NOT NULL)"
                        f" AND NOT {AWAY}",
                        (root.id, *values, list(waiting)),
                    )
                    found.update(content for (content,) in rows)
        return found

    def waiting_stages(self) -> frozenset[str]:
        return row_values.stage_names(self._connection.setting("waiting"))

    def photos_under(self, root: int) -> int:
        return self._count(f"SELECT count(*) FROM photo WHERE gone_at IS NULL AND root = {int(root)}")

    def _count(self, sql: str, values: tuple[object, ...] = ()) -> int:
        return self._connection.number(sql, values)
