"""Photos that could not be read or described: the reasons, the times of the next attempts, and retrying."""

from __future__ import annotations

from collections.abc import Collection

from imgret.photo import Photo
from imgret.store import paths, row_values
from imgret.store.conditions import FAILED
from imgret.store.policy import ARRIVED
from imgret.store.records import READ, Failure
from imgret.store.shared.dialect import Queries


class Failures(Queries):
    """Implements `imgret.store.interface.work_queue.Failures`."""

    def all(self, limit: int = 1000) -> list[Failure]:
        place = f"JOIN {self._dialect.root} ON root.id = photo.root"
        rows = self._rows(
            "SELECT root.path, folder, photo.name, stage, error, attempts, not_before"
            f" FROM work JOIN photo ON photo.content = work.content AND gone_at IS NULL {place}"
            " WHERE error IS NOT NULL AND NOT EXISTS ("
            # of several failed stages the one that was tried most
            "  SELECT 1 FROM work other WHERE other.content = work.content AND other.error IS NOT NULL"
            "  AND (other.attempts, other.not_before, work.stage) > (work.attempts, work.not_before, other.stage))"
            f" UNION ALL SELECT root.path, folder, photo.name, '{READ}', error, attempts, not_before"
            f" FROM unreadable JOIN photo ON photo.id = unreadable.photo {place}"
            " WHERE gone_at IS NULL ORDER BY 1, 2, 3 LIMIT ?",
            limit,
        )
        return [
            row_values.failure(paths.join(root, folder, name), *rest) for root, folder, name, *rest in rows
        ]

    def unreadable(self, photo: Photo) -> Failure | None:
        row = self._row("SELECT error, attempts, not_before FROM unreadable WHERE photo = ?", photo.id)
        return row_values.failure(photo.path, READ, *row) if row else None

    def retry(self, only: Collection[Photo] | None = None) -> int:
        failed = f"FROM photo WHERE gone_at IS NULL AND {FAILED}"
        again = f"UPDATE work SET attempts = 0, not_before = 0, error = NULL, request = {ARRIVED} WHERE error IS NOT NULL"
        read_again = "UPDATE unreadable SET attempts = 0, not_before = 0"
        with self._connection.writing() as db:
            if only is None:
                count = self._number(f"SELECT count(*) {failed}")
                db.execute(again)
                db.execute(read_again)
                return count
            among, numbers = self._dialect.among, self._dialect.numbers
            chosen = numbers([photo.id for photo in only])
            rows = list(self._rows(f"SELECT id, content {failed} AND id {among}", chosen))
            contents = numbers([content for _, content in rows if content is not None])
            db.execute(f"{read_again} WHERE photo {among}", (numbers([photo for photo, _ in rows]),))
            db.execute(f"{again} AND content {among}", (contents,))
            return len(rows)
