"""Selects the work to claim next, and marks it as claimed.

The partial index `work_next` has the order (stage, request, date, content). A claim reads a range of it for each stage,
so it takes the same time in a queue of a million contents as in a short one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import apsw

from imgret.stages import registry
from imgret.store import paths
from imgret.store.policy import BACKLOG, FAILED, MAX_ATTEMPTS, OTHER_INODE, PAUSES
from imgret.store.records import Claim, Position
from imgret.store.sqlite import sqlite_dialect as dialect

_LARGEST = (1 << 63) - 1

# A time further ahead than any pause was set before the clock was set back, so the pause is over.
DUE = f"(not_before <= ?1 OR not_before > ?1 + {2 * PAUSES[-1]})"

ONLINE = (
    "EXISTS (SELECT 1 FROM photo JOIN root ON root.id = photo.root"
    f" WHERE photo.content = work.content AND gone_at IS NULL AND {dialect.ONLINE})"
)


def next_positions(
    db: apsw.Connection,
    stages: Collection[str],
    limit: int,
    now: int,
    request: int | None,
    after: Position | None,
    last: int | None,
) -> list[Position]:
    """Return the first `limit` positions of claimable contents of a request; see `interface.work_queue.Work.claim`."""
    lowest = FAILED if request is None or request == BACKLOG else request
    before = after or (_LARGEST if request is None else request, _LARGEST, _LARGEST)
    found: set[Position] = set()
    for stage in stages:
        rows: Any = db.execute(
            "SELECT request, date, content FROM work INDEXED BY work_next WHERE claim = 0 AND stage = ?2"
            " AND (request, date, content) < (?3, ?4, ?5) AND request >= ?6 AND content <= ?7"
            f" AND {DUE} AND attempts < {MAX_ATTEMPTS}"
            " AND NOT EXISTS (SELECT 1 FROM work AS other WHERE other.content = work.content AND other.claim <> 0)"
            f" AND {ONLINE} ORDER BY request DESC, date DESC, content DESC LIMIT ?8",
            (now, stage, *before, lowest, _LARGEST if last is None else last, limit),
        )
        found.update(Position(*row) for row in rows)
    # The stages of a content can have several positions: it is claimed once, at the first of them.
    first: dict[int, Position] = {}
    for position in sorted(found, reverse=True):
        first.setdefault(position.content, position)
    return list(first.values())[:limit]


def due_stages(db: apsw.Connection, content: int, stages: Collection[str], now: int) -> set[str]:
    """Return the stages of a content, among `stages`, that may run now. Those in flight are left out."""
    rows: Any = db.execute(
        f"SELECT stage FROM work WHERE content = ?2 AND claim <= 0 AND {DUE} AND attempts < {MAX_ATTEMPTS}",
        (now, content),
    )
    return {stage for (stage,) in rows}.intersection(stages)


def claimed(
    db: apsw.Connection, position: Position, due: set[str], stages: Collection[str], mark: int
) -> Claim:
    """Mark the due stages of a content, and those of `stages` that follow from them, as in flight."""
    content = position.content
    todo = due | registry.installed().all_followers(due).intersection(stages)
    db.executemany(
        "INSERT INTO work (content, stage, attempts, claim, request, date) VALUES (?, ?, 1, ?, ?, ?)"
        " ON CONFLICT (content, stage) DO UPDATE SET attempts = attempts + 1, claim = excluded.claim",
        [(content, stage, mark, max(position.request, BACKLOG), position.date) for stage in todo],
    )
    path: Any = db.execute(
        "SELECT root.path, folder, name FROM photo JOIN root ON root.id = photo.root"
        f" WHERE content = ? AND gone_at IS NULL AND {dialect.ONLINE}"
        f" ORDER BY photo.inode = {OTHER_INODE}, photo.id LIMIT 1",
        (content,),
    ).fetchone()
    assert path is not None
    return Claim(content, paths.join(*path), frozenset(todo), position)


def waiting_requests(
    db: apsw.Connection, stages: Collection[str], at_most: int, last: int | None
) -> Iterator[tuple[int, int]]:
    """Yield (request, contents of one stage that wait) of the requests above BACKLOG, counting up to `at_most`."""
    for stage in stages:
        request = 1 << 62
        while True:
            request = db.execute(
                "SELECT max(request) FROM work INDEXED BY work_next WHERE claim = 0 AND stage = ? AND request < ?",
                (stage, request),
            ).get
            if request is None or request <= BACKLOG:
                break
            rows = db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM work INDEXED BY work_next WHERE claim = 0 AND stage = ?"
                " AND request = ? AND content <= ? LIMIT ?)",
                (stage, request, _LARGEST if last is None else last, at_most),
            ).get
            if rows:
                yield request, rows
