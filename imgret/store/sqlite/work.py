"""The persistent queue of work: pairs of content and stage, each claimed by one process at a time.

`claim` counts an attempt before the work starts, so that a photo that crashes the process is also given up after five
attempts. `recover`, called once when the writer starts, releases the claims of a crashed process. Photos that were
processed together at that time become suspects: `claim_suspect` returns them one at a time, and the caller processes
nothing else meanwhile. Only a photo that was processed alone when the process ended loses an attempt. The caller saves
a result and calls `done` in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import apsw

from imgret.photo import ModelIdentity
from imgret.stages import registry
from imgret.store import paths
from imgret.store.fold import encodable
from imgret.store.policy import CRASHED, MAX_ATTEMPTS, OTHER_INODE, PAUSES
from imgret.store.records import Claim
from imgret.store.sqlite import roots
from imgret.store.sqlite.connection import Connection

# A time further ahead than any pause was set before the clock was set back, so the pause is over.
_DUE = f"(not_before <= ?1 OR not_before > ?1 + {2 * PAUSES[-1]})"

_LIVING = "EXISTS (SELECT 1 FROM photo WHERE photo.content = work.content AND gone_at IS NULL)"


_ONLINE = (
    "EXISTS (SELECT 1 FROM photo JOIN root ON root.id = photo.root"
    f" WHERE photo.content = work.content AND gone_at IS NULL AND {roots.ONLINE})"
)


class Work:
    """Implements `imgret.store.interface.work_queue.Work`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def queue(self, content: int, stages: Collection[str]) -> None:
        with self._connection.writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO work (content, stage) VALUES (?, ?)",
                [(content, s) for s in stages],
            )

    def queue_outdated(self, identities: Mapping[str, ModelIdentity], off: Collection[str]) -> int:
        queued = 0
        with self._connection.writing() as db:
            for stage, identity in identities.items():
                db.execute(
                    "INSERT OR IGNORE INTO work (content, stage)"
                    " SELECT content.id, ?1 FROM content"
                    " LEFT JOIN stage_result r ON r.content = content.id AND r.stage = ?1"
                    " LEFT JOIN model ON model.id = r.model"
                    " WHERE EXISTS (SELECT 1 FROM photo WHERE photo.content = content.id AND gone_at IS NULL)"
                    " AND (r.content IS NULL OR (model.name, model.revision, model.settings) <> (?2, ?3, ?4))",
                    (stage, identity.name, identity.revision, identity.settings),
                )
                queued += db.changes()
            db.executemany("DELETE FROM work WHERE stage = ?", [(stage,) for stage in off])
        return queued

    def last(self) -> int:
        row = self._connection.row("SELECT max(content) FROM work")
        return int(row[0] or 0) if row else 0

    def claim(
        self, stages: Collection[str], limit: int, now: int, *, after: int = 0, last: int | None = None
    ) -> list[Claim]:
        with self._connection.writing() as db:
            due = _due(stages, now)
            rows: list[Any] = db.execute(
                f"SELECT content, group_concat(stage) FROM work WHERE {due} AND claim = 0 AND content > ? AND content <= ?"
                " AND NOT EXISTS (SELECT 1 FROM work AS other WHERE other.content = work.content AND other.claim <> 0)"
                f" AND {_ONLINE} GROUP BY content ORDER BY content LIMIT ?",
                (after, (1 << 62) if last is None else last, limit),
            ).fetchall()
            # A photo counts as processed alone (claim 1) only if no other one is claimed.
            others = db.execute(
                "SELECT 1 FROM work INDEXED BY work_claimed WHERE claim > 0 AND claim <> 0"
            ).get
            alone = len(rows) == 1 and others is None
            if rows and not alone:
                db.execute("UPDATE work INDEXED BY work_claimed SET claim = 2 WHERE claim = 1 AND claim <> 0")
            return [_claimed(db, content, found, stages, 1 if alone else 2) for content, found in rows]

    def claim_suspect(self, stages: Collection[str], now: int, tried: Iterable[int] = ()) -> Claim | None:
        with self._connection.writing() as db:
            row: Any = db.execute(
                f"SELECT content, group_concat(stage) FROM work WHERE {_due(stages, now)} AND claim <= 0 AND {_ONLINE}"
                # SQLite uses the partial index only with INDEXED BY and the exact condition of the index.
                " AND content IN (SELECT content FROM work INDEXED BY work_claimed WHERE claim <> 0 AND claim < 0)"
                f" AND content NOT IN ({','.join(str(int(each)) for each in tried)})"
                " GROUP BY content ORDER BY max(attempts), content LIMIT 1"
            ).fetchone()
            return _claimed(db, row[0], row[1], stages, 1) if row else None

    def done(self, content: int, stages: Iterable[str]) -> None:
        with self._connection.writing() as db:
            db.executemany(
                "DELETE FROM work WHERE content = ? AND stage = ?",
                [(content, stage) for stage in stages],
            )

    def failed(self, content: int, stages: Iterable[str], error: str, now: int) -> None:
        with self._connection.writing() as db:
            for stage in stages:
                db.execute(
                    "UPDATE work SET claim = 0, error = ?, not_before = ? + CASE attempts WHEN 1 THEN ?"
                    " WHEN 2 THEN ? WHEN 3 THEN ? WHEN 4 THEN ? ELSE ? END WHERE content = ? AND stage = ?",
                    (encodable(error), now, *PAUSES, content, stage),
                )

    def release(self, contents: Iterable[int] | None = None) -> None:
        with self._connection.writing() as db:
            where = "" if contents is None else " AND content = ?"
            freed = (
                "claim <> 0 AND claim > 0"  # a suspect is not claimed; for the first half see `claim_suspect`
            )
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
                "UPDATE work SET claim = 0, error = ? WHERE attempts >= ? AND error IS NULL",
                (CRASHED, MAX_ATTEMPTS),
            )

    def due(self, stages: Collection[str], now: int) -> int:
        ours = ",".join(f"'{stage}'" for stage in sorted(stages))
        row = self._connection.row(
            f"SELECT count(DISTINCT content) FROM work WHERE stage IN ({ours}) AND {_DUE} AND attempts < ?2"
            f" AND {_ONLINE}",
            (now, MAX_ATTEMPTS),
        )
        return int(row[0]) if row else 0

    def waiting(self) -> dict[str, int]:
        rows = self._connection.rows(
            f"SELECT stage, count(*) FROM work WHERE attempts < ? AND {_LIVING} GROUP BY stage",
            (MAX_ATTEMPTS,),
        )
        return dict(rows)

    def waiting_for(self, stage: str, at_most: int) -> int:
        row = self._connection.row(
            f"SELECT count(*) FROM (SELECT 1 FROM work WHERE stage = ? AND attempts < ? AND {_LIVING} LIMIT ?)",
            (stage, MAX_ATTEMPTS, at_most),
        )
        return int(row[0]) if row else 0

    def of(self, content: int) -> dict[str, tuple[int, int, str | None]]:
        rows = self._connection.rows(
            "SELECT stage, attempts, not_before, error FROM work WHERE content = ?", (content,)
        )
        return {stage: (attempts, not_before, error) for stage, attempts, not_before, error in rows}


def _due(stages: Collection[str], now: int) -> str:
    ours = ",".join(f"'{stage}'" for stage in sorted(stages))
    return f"stage IN ({ours}) AND {_DUE.replace('?1', str(int(now)))} AND attempts < {MAX_ATTEMPTS}"


def _claimed(db: apsw.Connection, content: int, due: str, stages: Collection[str], mark: int) -> Claim:
    todo = set(due.split(","))
    todo |= registry.installed().all_followers(todo).intersection(stages)
    db.executemany(
        "INSERT INTO work (content, stage, attempts, claim) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (content, stage) DO UPDATE SET attempts = attempts + 1, claim = excluded.claim",
        [(content, stage, mark) for stage in todo],
    )
    path = db.execute(
        "SELECT root.path, folder, name FROM photo JOIN root ON root.id = photo.root"
        f" WHERE content = ? AND gone_at IS NULL AND {roots.ONLINE}"
        f" ORDER BY photo.inode = {OTHER_INODE}, photo.id LIMIT 1",
        (content,),
    ).fetchone()
    assert path is not None
    return Claim(content, paths.join(*path), frozenset(todo))
