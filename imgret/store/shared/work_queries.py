"""What the engines share of the queue of work; how photos are claimed differs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store.conditions import HAS_PHOTO
from imgret.store.policy import ARRIVED, MAX_ATTEMPTS
from imgret.store.shared.content_steps import content_steps
from imgret.store.shared.dialect import Connection, Queries
from imgret.store.shared.summary import Summary

# Contents whose result of a stage is missing, or was made by another model.
OUTDATED = (
    "content LEFT JOIN stage_result r ON r.content = content.id AND r.stage = ? LEFT JOIN model ON model.id = r.model"
    f" WHERE content.id > ? AND content.id <= ? AND {HAS_PHOTO.format('content.id')}"
    " AND (r.content IS NULL OR (model.name, model.revision, model.settings) <> (?, ?, ?))"
)
AT_ONCE = 1000  # contents that are moved to a request in one transaction


class WorkQueries(Queries, ABC):
    """Implements a part of `imgret.store.interface.work_queue.Work`."""

    date: str  # the date of the content with the id `{0}`, in the dialect

    def __init__(self, connection: Connection, summary: Summary) -> None:
        super().__init__(connection)
        self._summary = summary

    def request(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> int:
        with self._connection.writing():
            number = max(int(self._connection.setting("requests") or 0), ARRIVED) + 1
            self._connection.remember("requests", str(number))
        contents = sorted(self._summary.pending_below(folders, waiting))
        counts = self.requests({DECODE, *registry.installed().names}.difference(waiting), len(contents) + 1)
        smaller = [each for each, count in counts.items() if each > ARRIVED and count <= len(contents)]
        move = self._sql(
            f"UPDATE work SET request = ? WHERE content {self._dialect.among} AND error IS NULL"
            + _except("stage", waiting)
            + _except("request", smaller)
        )
        for start in range(0, len(contents), AT_ONCE):
            moved = self._dialect.numbers(contents[start : start + AT_ONCE])
            with self._connection.writing() as db:
                db.execute(move, (number, moved, *waiting, *smaller))
        with self._connection.writing():
            self._connection.remember("requests_made", str(self.requests_made() + 1))
        return number

    @abstractmethod
    def requests(
        self, stages: Collection[str], at_most: int, *, last: int | None = None
    ) -> dict[int, int]: ...

    def requests_made(self) -> int:
        return int(self._connection.setting("requests_made") or 0)

    def request_of(self, contents: Collection[int]) -> dict[int, int]:
        rows = self._rows(
            f"SELECT content, max(request) FROM work WHERE content {self._dialect.among} GROUP BY content",
            self._dialect.numbers(sorted(contents)),
        )
        return dict(rows)

    def requested_below(self, folders: Collection[bytes], waiting: Collection[str] = ()) -> set[int]:
        pending = self._summary.pending_below(folders, waiting)
        if not pending:
            return pending
        stages = {DECODE, *registry.installed().names}.difference(waiting)
        rows = self._rows(
            f"SELECT DISTINCT content FROM work WHERE stage IN ({', '.join('?' * len(stages))}) AND request > ?",
            *stages,
            ARRIVED,
        )
        return pending.intersection(content for (content,) in rows)

    def queue_outdated(self, identities: Mapping[str, ModelIdentity], off: Collection[str]) -> int:
        queued = 0
        insert = self._sql(
            f"INSERT INTO work (content, stage, date) SELECT content.id, ?, {self.date.format('content.id')}"
            f" FROM {OUTDATED} ON CONFLICT DO NOTHING RETURNING 1"
        )
        unqueue = self._sql("DELETE FROM work WHERE content > ? AND content <= ? AND stage = ?")
        for step in content_steps(self._connection):
            with self._connection.writing() as db:
                for stage, identity in identities.items():
                    model = (identity.name, identity.revision, identity.settings)
                    queued += len(db.execute(insert, (stage, stage, *step, *model)).fetchall())
                for stage in off:
                    db.execute(unqueue, (*step, stage))
        return queued

    def last(self) -> int:
        return self._number("SELECT max(content) FROM work")

    def waiting(self) -> dict[str, int]:
        rows = self._rows(
            "SELECT stage, count(*) FROM work"
            f" WHERE attempts < ? AND {HAS_PHOTO.format('work.content')} GROUP BY stage",
            MAX_ATTEMPTS,
        )
        return dict(rows)


def _except(column: str, values: Collection[object]) -> str:
    """SQL for rows with none of these values."""
    return f" AND {column} NOT IN ({', '.join('?' * len(values))})" if values else ""
