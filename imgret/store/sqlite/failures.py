"""Photos that could not be read or described: the reasons, the times of the next attempts, and retrying."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from imgret.photo import Photo
from imgret.store import paths, row_values
from imgret.store.conditions import FAILED
from imgret.store.policy import ARRIVED
from imgret.store.records import READ, Failure
from imgret.store.sqlite import words
from imgret.store.sqlite.connection import Connection


class Failures:
    """Implements `imgret.store.interface.work_queue.Failures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, limit: int = 1000) -> list[Failure]:
        rows = self._connection.rows(
            "SELECT root.path, folder, photo.name, stage, error, attempts, not_before"
            " FROM work JOIN photo ON photo.content = work.content AND gone_at IS NULL"
            " JOIN root ON root.id = photo.root WHERE error IS NOT NULL AND NOT EXISTS ("
            # of several failed stages the one that was tried most
            "  SELECT 1 FROM work other WHERE other.content = work.content AND other.error IS NOT NULL"
            "  AND (other.attempts, other.not_before, work.stage) > (work.attempts, work.not_before, other.stage))"
            f" UNION ALL SELECT root.path, folder, photo.name, '{READ}', error, attempts, not_before"
            " FROM unreadable JOIN photo ON photo.id = unreadable.photo JOIN root ON root.id = photo.root"
            " WHERE gone_at IS NULL ORDER BY 1, 2, 3 LIMIT ?",
            (limit,),
        )
        return [
            row_values.failure(paths.join(root, folder, name), *rest) for root, folder, name, *rest in rows
        ]

    def unreadable(self, photo: Photo) -> Failure | None:
        row = self._connection.row(
            "SELECT error, attempts, not_before FROM unreadable WHERE photo = ?", (photo.id,)
        )
        return row_values.failure(photo.path, READ, *row) if row else None

    def retry(self, only: Collection[Photo] | None = None) -> int:
        with self._connection.writing() as db:
            reset = (
                f"UPDATE work SET attempts = 0, not_before = 0, error = NULL, request = {ARRIVED}"
                " WHERE error IS NOT NULL"
            )
            if only is None:
                count = int(db.execute(f"SELECT count(*) FROM photo WHERE gone_at IS NULL AND {FAILED}").get)
                db.execute(reset)
                db.execute("UPDATE unreadable SET attempts = 0, not_before = 0")
                return count
            failed = db.execute(
                "SELECT id, content FROM photo WHERE id IN (SELECT value FROM carray(?))"
                f" AND gone_at IS NULL AND {FAILED}",
                (words.carray(np.array([photo.id for photo in only], np.int64)),),
            ).fetchall()
            for photo, content in failed:
                db.execute("UPDATE unreadable SET attempts = 0, not_before = 0 WHERE photo = ?", (photo,))
                db.execute(f"{reset} AND content = ?", (content,))
            return len(failed)
