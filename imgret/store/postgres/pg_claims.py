"""Selects the work to claim next, and marks it as claimed.

The partial index `work_next` has the order (stage, request, date, content). A claim reads a range of it for each stage,
so it takes the same time in a queue of a million contents as in a short one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from imgret.stages import registry
from imgret.store import paths
from imgret.store.policy import BACKLOG, FAILED, MAX_ATTEMPTS, OTHER_INODE, PAUSES
from imgret.store.postgres import pg_roots as roots
from imgret.store.postgres.pg_address import Database
from imgret.store.records import Claim, Position

_LARGEST = (1 << 63) - 1

# A time further ahead than any pause was set before the clock was set back, so the pause is over. Its values: `due`.
DUE = "(not_before <= %s OR not_before > %s)"

# What this host can do: it has looked at the folder, and its disk is there.
ONLINE = (
    "EXISTS (SELECT 1 FROM photo JOIN root_here AS root ON root.id = photo.root"
    f" WHERE photo.content = work.content AND gone_at IS NULL AND root.here AND {roots.ONLINE})"
)
# The same for a few rows in the order of an index. OFFSET 0 keeps the planner from joining all photos first.
_ONLINE_EACH = (
    "EXISTS (SELECT 1 FROM photo WHERE photo.content = work.content AND gone_at IS NULL"
    f" AND photo.root = ANY (ARRAY(SELECT id FROM root_here WHERE here AND online)) AND NOT {roots.AWAY} OFFSET 0)"
)
_IN_FLIGHT = (
    "EXISTS (SELECT 1 FROM work AS other WHERE other.content = work.content AND other.claim <> 0 OFFSET 0)"
)


def due(now: int) -> tuple[int, int]:
    """Return the values of `DUE`."""
    return now, now + 2 * PAUSES[-1]


def next_positions(
    db: Database,
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
    of_stage = (
        "(SELECT request, date, content FROM work WHERE claim = 0 AND stage = %s"
        " AND (request, date, content) < (%s, %s, %s) AND request >= %s AND content <= %s"
        f" AND {DUE} AND attempts < {MAX_ATTEMPTS}"
        f" AND NOT {_IN_FLIGHT} AND {_ONLINE_EACH} ORDER BY request DESC, date DESC, content DESC LIMIT %s)"
    )
    rows: Any = ()
    if stages:
        rows = db.execute(  # all stages in one round trip
            " UNION ".join([of_stage] * len(stages)),
            [
                value
                for stage in stages
                for value in (stage, *before, lowest, _LARGEST if last is None else last, *due(now), limit)
            ],
        )
    found = {Position(*row) for row in rows}
    # The stages of a content can have several positions: it is claimed once, at the first of them.
    first: dict[int, Position] = {}
    for position in sorted(found, reverse=True):
        first.setdefault(position.content, position)
    return list(first.values())[:limit]


def claimed(
    db: Database, positions: Collection[Position], stages: Collection[str], now: int, mark: int, worker: int
) -> list[Claim]:
    """Mark the due stages of these contents, and those of `stages` that follow from them, as in flight."""
    contents = [position.content for position in positions]
    rows: Any = db.execute(
        "SELECT content, stage FROM work WHERE content = ANY (%s::bigint[]) AND claim <= 0"
        f" AND {DUE} AND attempts < {MAX_ATTEMPTS} AND stage = ANY (%s::text[])",
        (contents, *due(now), list(stages)),
    )
    ready: dict[int, set[str]] = {content: set() for content in contents}
    for content, stage in rows:
        ready[content].add(stage)
    followers = registry.installed().all_followers
    todo = {content: some | followers(some).intersection(stages) for content, some in ready.items()}
    new = [(each, stage) for each in positions for stage in sorted(todo[each.content])]
    db.execute(
        "INSERT INTO work (content, stage, attempts, claim, worker, request, date)"
        " SELECT content, stage, 1, %s, %s, request, date"
        " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[]) AS new (content, stage, request, date)"
        " ON CONFLICT (content, stage) DO UPDATE SET attempts = work.attempts + 1, claim = excluded.claim,"
        " worker = excluded.worker",
        (
            mark,
            worker,
            [each.content for each, _ in new],
            [stage for _, stage in new],
            [max(each.request, BACKLOG) for each, _ in new],
            [each.date for each, _ in new],
        ),
    )
    places = _places(db, contents)
    return [
        Claim(each.content, places[each.content], frozenset(todo[each.content]), each) for each in positions
    ]


def _places(db: Database, contents: list[int]) -> dict[int, bytes]:
    """A path of each content on a root that is online."""
    rows: Any = db.execute(
        "SELECT DISTINCT ON (content) content, root.path, folder, name FROM photo JOIN root_here AS root ON root.id = photo.root"
        f" WHERE content = ANY (%s::bigint[]) AND gone_at IS NULL AND root.here AND {roots.ONLINE}"
        f" ORDER BY content, photo.inode = {OTHER_INODE}, photo.id",
        (contents,),
    )
    return {content: paths.join(*place) for content, *place in rows}


def waiting_requests(
    db: Database, stages: Collection[str], at_most: int, last: int | None
) -> Iterator[tuple[int, int]]:
    """Yield (request, contents of one stage that wait) of the requests above BACKLOG, counting up to `at_most`."""
    for stage in stages:
        request = 1 << 62
        while True:
            request = db.execute(
                "SELECT max(request) FROM work WHERE claim = 0 AND stage = %s AND request < %s",
                (stage, request),
            ).get
            if request is None or request <= BACKLOG:
                break
            rows = db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM work WHERE claim = 0 AND stage = %s"
                " AND request = %s AND content <= %s LIMIT %s) AS waiting",
                (stage, request, _LARGEST if last is None else last, at_most),
            ).get
            if rows:
                yield request, rows
