"""The persistent queue of work: pairs of content and stage, each claimed by one worker at a time.

As in the SQLite store, but several hosts may describe one library. Each claim belongs to a worker, whose lease is
renewed while it works (`pg_workers`). What a worker recovers or releases is its own, and what workers without a lease
have claimed. Claims lock what they claim and skip what others have locked, so they wait for nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store.policy import BACKLOG, FAILED, MAX_ATTEMPTS, PAUSES
from imgret.store.postgres import pg_claims as claims
from imgret.store.postgres.pg_connection import Connection
from imgret.store.postgres.pg_pending_work import DATE, PendingWork
from imgret.store.postgres.pg_workers import Workers
from imgret.store.records import Claim, Position
from imgret.store.shared.summary import Summary
from imgret.store.shared.work_queries import WorkQueries


class Work(WorkQueries):
    """Implements `imgret.store.interface.work_queue.Work`."""

    _connection: Connection
    date = DATE

    def __init__(
        self, connection: Connection, summary: Summary, workers: Workers, pending: PendingWork
    ) -> None:
        super().__init__(connection, summary)
        self._workers = workers
        self._pending = pending

    def queue(self, content: int, stages: Collection[str], request: int = BACKLOG) -> None:
        self._pending.queue(content, stages, request)

    def left_of(self, request: int, waiting: Collection[str] = ()) -> int:
        stages = {DECODE, *registry.installed().names}.difference(waiting)
        return self._connection.number(
            "SELECT count(DISTINCT content) FROM (SELECT content FROM work WHERE claim = 0 AND stage = ANY (%s)"
            " AND request = %s UNION ALL SELECT content FROM work WHERE claim <> 0 AND stage = ANY (%s) AND request = %s)"
            f" AS work WHERE {claims.ONLINE_EACH}",
            (list(stages), request) * 2,
        )

    def requests(self, stages: Collection[str], at_most: int, *, last: int | None = None) -> dict[int, int]:
        found: dict[int, int] = {}
        self._pending.write_dates()
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
        worker = self._workers.own()
        self._pending.write_dates()
        alone = self._connection.in_transaction  # it has the lock of `writing()` already
        while True:
            with self._connection.writing() if alone else self._connection.claiming() as db:
                found = claims.found(db, stages, limit, now, request, after, last)
                claimed = claims.claimed(db, found, stages, worker, alone=alone)
                if claimed is not None:
                    return claimed
            alone = True

    def claim_suspect(self, stages: Collection[str], now: int, tried: Iterable[int] = ()) -> Claim | None:
        worker = self._workers.own()
        self._pending.write_dates()
        with self._connection.writing() as db:
            found = claims.suspect(db, stages, now, tried)
            claimed = claims.claimed(db, found, stages, worker, alone=True) if found else None
            return claimed[0] if claimed else None

    def done(self, content: int, stages: Iterable[str]) -> None:
        with self._connection.writing():
            self._workers.renew()
            self._pending.done(content, stages)

    def failed(self, content: int, stages: Iterable[str], error: str, now: int) -> None:
        with self._connection.writing():
            self._workers.renew()
            self._failed(content, stages, error, now)

    def _failed(self, content: int, stages: Iterable[str], error: str, now: int) -> None:
        with self._connection.changing_queue(content) as db:
            # A stage that was not claimed has failed for the first time, although no attempt was counted.
            db.query(
                "UPDATE work SET claim = 0, error = %s, request = %s, attempts = greatest(attempts, 1),"
                " not_before = %s + CASE greatest(attempts, 1) WHEN 1 THEN %s"
                " WHEN 2 THEN %s WHEN 3 THEN %s WHEN 4 THEN %s ELSE %s END"
                " WHERE content = %s AND stage = ANY (%s::text[])",
                (error, FAILED, now, *PAUSES, content, list(stages)),
            )

    def release(self, contents: Iterable[int] | None = None) -> None:
        which, worker = None if contents is None else list(contents), self._workers.own()
        with self._connection.writing() as db:
            db.execute(
                "UPDATE work SET claim = 0, attempts = greatest(attempts - 1, 0) WHERE claim > 0"
                " AND worker = %s AND (%s::bigint[] IS NULL OR content = ANY (%s::bigint[]))",
                (worker, which, which),
            )

    def recover(self) -> None:
        with self._connection.writing():
            self._workers.release_own()
            self._workers.release_expired()

    def due(self, stages: Collection[str], now: int, *, at_most: int | None = None) -> int:
        if at_most == 1:
            with self._connection.reading() as db:
                return int(claims.any_due(db, stages, now))
        return self._connection.number(
            "SELECT count(*) FROM (SELECT DISTINCT content FROM work WHERE stage = ANY (%s::text[])"
            f" AND {claims.DUE} AND attempts < {MAX_ATTEMPTS} AND {claims.ONLINE} AND {claims.OWN} LIMIT %s) AS due",
            (list(stages), *claims.due(now), at_most),
        )

    def of(self, content: int) -> dict[str, tuple[int, int, str | None]]:
        sql = (
            "SELECT content, stage, attempts, not_before, error FROM work WHERE content = ANY (%s::bigint[])"
        )
        found = {stage: tuple(rest) for stage, *rest in self._connection.rows_before(sql, content)}
        stay, come = self._pending.changed(content, found)
        if come and not found:  # perhaps there is no such content
            return {stage: tuple(rest) for stage, *rest in self._connection.rows_of(sql, content)}
        return {stage: found[stage] for stage in found if stage in stay} | dict.fromkeys(come, (0, 0, None))
