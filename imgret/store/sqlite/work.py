"""The persistent queue of work: pairs of content and stage, each claimed by one process at a time.

`claim` counts an attempt before the work starts, so that a photo that crashes the process is also given up after five
attempts. `recover`, called once when the writer starts, releases the claims of a crashed process. Photos that were
processed together at that time become suspects: `claim_suspect` returns them one at a time, and the caller processes
nothing else meanwhile. Only a photo that was processed alone when the process ended loses an attempt. The caller saves
a result and calls `done` in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import apsw

from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store.policy import BACKLOG, CRASHED, FAILED, MAX_ATTEMPTS, PAUSES
from imgret.store.records import Claim, Position
from imgret.store.shared.work_queries import WorkQueries
from imgret.store.sqlite import claims
from imgret.store.sqlite.connection import Connection

# The date of the content with the id `{0}`. A time in the future comes from a wrong clock, and counts as now.
_DATE = (
    "max(0, min(unixepoch(), coalesce((SELECT date FROM content WHERE content.id = {0}), (SELECT"
    " max(mtime_ns) / 1000000000 FROM photo WHERE photo.content = {0} AND gone_at IS NULL), 0)))"
)


class Work(WorkQueries):
    """Implements `imgret.store.interface.work_queue.Work`."""

    _connection: Connection
    date = _DATE

    def queue(self, content: int, stages: Collection[str], request: int = BACKLOG) -> None:
        with self._connection.writing() as db:
            queued(db, content, stages, request)

    def left_of(self, request: int, waiting: Collection[str] = ()) -> int:
        stages = {DECODE, *registry.installed().names}.difference(waiting)
        left: set[int] = set()
        with self._connection.reading() as db:
            for stage in stages:
                for where in (
                    "INDEXED BY work_next WHERE claim = 0",
                    "INDEXED BY work_claimed WHERE claim <> 0",
                ):
                    rows: Any = db.execute(
                        f"SELECT content FROM work {where} AND stage = ? AND request = ? AND {claims.ONLINE}",
                        (stage, request),
                    )
                    left.update(content for (content,) in rows)
        return len(left)

    def requests(self, stages: Collection[str], at_most: int, *, last: int | None = None) -> dict[int, int]:
        found: dict[int, int] = {}
        with self._connection.reading() as db:
            for request, count in claims.waiting_requests(db, stages, at_most, last):
                found[request] = max(count, found.get(request, 0))
        return found

    def claim(
        self,
        stages: Collection[str],
        limit: int,
        now: int,
        *,
        request: int | None = None,
        after: Position | None = None,
        last: int | None = None,
    ) -> list[Claim]:
        with self._connection.writing() as db:
            positions = claims.next_positions(db, stages, limit, now, request, after, last)
            # A photo counts as processed alone (claim 1) only if no other one is claimed.
            others = db.execute(
                "SELECT 1 FROM work INDEXED BY work_claimed WHERE claim > 0 AND claim <> 0"
            ).get
            alone = len(positions) == 1 and others is None
            if positions and not alone:
                db.execute("UPDATE work INDEXED BY work_claimed SET claim = 2 WHERE claim = 1 AND claim <> 0")
            return [
                claims.claimed(
                    db, each, claims.due_stages(db, each.content, stages, now), stages, 1 if alone else 2
                )
                for each in positions
            ]

    def claim_suspect(self, stages: Collection[str], now: int, tried: Iterable[int] = ()) -> Claim | None:
        ours = ",".join(f"'{stage}'" for stage in sorted(stages))
        with self._connection.writing() as db:
            row: Any = db.execute(
                "SELECT max(request), max(date), content FROM work"
                f" WHERE stage IN ({ours}) AND {claims.DUE} AND attempts < {MAX_ATTEMPTS}"
                f" AND claim <= 0 AND {claims.ONLINE}"
                # SQLite uses the partial index only with INDEXED BY and the exact condition of the index.
                " AND content IN (SELECT content FROM work INDEXED BY work_claimed WHERE claim <> 0 AND claim < 0)"
                f" AND content NOT IN ({','.join(str(int(each)) for each in tried)})"
                " GROUP BY content ORDER BY max(attempts), content LIMIT 1",
                (now,),
            ).fetchone()
            if row is None:
                return None
            position = Position(*row)
            due = claims.due_stages(db, position.content, stages, now)
            return claims.claimed(db, position, due, stages, 1)

    def done(self, content: int, stages: Iterable[str]) -> None:
        with self._connection.writing() as db:
            db.executemany(
                "DELETE FROM work WHERE content = ? AND stage = ?",
                [(content, stage) for stage in stages],
            )

    def failed(self, content: int, stages: Iterable[str], error: str, now: int) -> None:
        with self._connection.writing() as db:
            for stage in stages:
                # A stage that was not claimed has failed for the first time, although no attempt was counted.
                db.execute(
                    "UPDATE work SET claim = 0, error = ?, request = ?, attempts = max(attempts, 1),"
                    " not_before = ? + CASE max(attempts, 1) WHEN 1 THEN ?"
                    " WHEN 2 THEN ? WHEN 3 THEN ? WHEN 4 THEN ? ELSE ? END WHERE content = ? AND stage = ?",
                    (error, FAILED, now, *PAUSES, content, stage),
                )

    def release(self, contents: Iterable[int] | None = None) -> None:
        with self._connection.writing() as db:
            where = "" if contents is None else " AND content = ?"
            # A suspect is not claimed; for the first half see `claim_suspect`.
            freed = "claim <> 0 AND claim > 0"
            sql = f"UPDATE work SET claim = 0, attempts = max(attempts - 1, 0) WHERE {freed}{where}"
            if contents is None:
                db.execute(sql)
            else:
                db.executemany(sql, [(content,) for content in contents])

    def recover(self) -> None:
        with self._connection.writing() as db:
            db.execute("UPDATE work SET attempts = max(attempts - 1, 0), claim = -1 WHERE claim > 1")
            db.execute("UPDATE work SET claim = -1 WHERE claim = 1")
            db.execute(
                "UPDATE work SET claim = 0, error = ?, request = ? WHERE attempts >= ? AND error IS NULL",
                (CRASHED, FAILED, MAX_ATTEMPTS),
            )

    def due(self, stages: Collection[str], now: int, *, at_most: int | None = None) -> int:
        ours = ",".join(f"'{stage}'" for stage in sorted(stages))
        row = self._connection.row(
            f"SELECT count(*) FROM (SELECT DISTINCT content FROM work WHERE stage IN ({ours})"
            f" AND {claims.DUE} AND attempts < ?2 AND {claims.ONLINE} LIMIT ?3)",
            (now, MAX_ATTEMPTS, -1 if at_most is None else at_most),
        )
        return int(row[0]) if row else 0

    def of(self, content: int) -> dict[str, tuple[int, int, str | None]]:
        rows = self._connection.rows(
            "SELECT stage, attempts, not_before, error FROM work WHERE content = ?", (content,)
        )
        return {stage: (attempts, not_before, error) for stage, attempts, not_before, error in rows}


def update_date(db: apsw.Connection, content: int) -> None:
    """Order the work of a content by the date of the photo, which has just become known."""
    db.execute(f"UPDATE work SET date = {_DATE.format('?1')} WHERE content = ?1", (content,))


def queued(db: apsw.Connection, content: int, stages: Collection[str], request: int) -> None:
    """Queue stages of a content. What waits already keeps its attempts, but may move ahead."""
    date = db.execute(f"SELECT {_DATE.format('?1')}", (content,)).get
    db.executemany(
        "INSERT INTO work (content, stage, request, date) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (content, stage) DO UPDATE SET request = excluded.request"
        f" WHERE request = {BACKLOG} AND excluded.request > {BACKLOG}",
        [(content, stage, request, date) for stage in stages],
    )
