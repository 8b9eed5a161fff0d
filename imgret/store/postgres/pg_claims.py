"""Selects the work to claim next, and marks it as claimed.

The partial index `work_next` has the order (stage, request, date, content). A claim reads a range of it for each stage,
so it takes the same time in a queue of a million contents as in a short one.

Several workers claim at the same time. Each locks the row in `content` of what it is about to claim, and skips what another
has locked. The lock is on the content and not on its work, because all stages of a content are claimed by one worker.
After locking, the work is read again: it may have been claimed between the two statements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from imgret.stages import registry
from imgret.store import paths
from imgret.store.policy import BACKLOG, FAILED, MAX_ATTEMPTS, OTHER_INODE, PAUSES
from imgret.store.postgres import pg_dialect as dialect
from imgret.store.postgres.pg_address import Database
from imgret.store.records import Claim, Position

_LARGEST = (1 << 63) - 1

# A time further ahead than any pause was set before the clock was set back, so the pause is over. Its values: `due`.
DUE = "(not_before <= %s OR not_before > %s)"

# Nobody else has it in flight.
OWN = "(claim <= 0 OR worker = (SELECT id FROM worker WHERE name = this_worker()))"
# The roots that this host can read photos of.
ROOTS_HERE = "SELECT id FROM root_here WHERE here AND online"

# What this host can do: it has looked at the folder, and its disk is there.
ONLINE = (
    "EXISTS (SELECT 1 FROM photo JOIN root_here AS root ON root.id = photo.root"
    f" WHERE photo.content = work.content AND gone_at IS NULL AND root.here AND {dialect.ONLINE})"
)
# The same for a few rows in the order of an index. OFFSET 0 keeps the planner from joining all photos first, and `+ 0` from
# reading all photos of a root by the index `photo_below`, as it does before the tables have statistics.
ONLINE_EACH = (
    "EXISTS (SELECT 1 FROM photo WHERE photo.content = work.content AND gone_at IS NULL"
    f" AND photo.root + 0 = ANY (ARRAY({ROOTS_HERE})) AND NOT {dialect.AWAY} OFFSET 0)"
)
# The same where the roots are given: the planner then knows how many photos they have, and begins with these if they are few.
_ON_ROOTS = (
    "content IN (SELECT photo.content FROM photo WHERE photo.root = ANY (%s::bigint[]) AND gone_at IS NULL"
    f" AND NOT {dialect.AWAY})"
)
_IN_FLIGHT = (
    "EXISTS (SELECT 1 FROM work AS other WHERE other.content = work.content AND other.claim <> 0 OFFSET 0)"
)
_HERE = f"NOT {_IN_FLIGHT} AND {ONLINE_EACH}"
_ORDER = "request DESC, date DESC, content DESC"
# The first rows of each stage, in one round trip.
_NEXT = (
    "SELECT request, date, content FROM unnest(%s::text[]) AS wanted (stage), LATERAL ("
    "SELECT request, date, content FROM work WHERE claim = 0 AND stage = wanted.stage"
    " AND (request, date, content) < (%s, %s, %s) AND request >= %s AND content <= %s"
    f" AND {DUE} AND attempts < {MAX_ATTEMPTS}{{}} ORDER BY {_ORDER} LIMIT %s) AS next"
)


def due(now: int) -> tuple[int, int]:
    """Return the values of `DUE`."""
    return now, now + 2 * PAUSES[-1]


def any_due(db: Database, stages: Collection[str], now: int) -> bool:
    """Whether this host can do anything of the queue, what it has in flight included: found without reading all of it."""
    roots = [root for (root,) in db.execute(ROOTS_HERE).fetchall()]
    if not roots:
        return False
    sql = (
        "SELECT EXISTS (SELECT 1 FROM work WHERE stage = ANY (%s::text[])"
        f" AND {DUE} AND attempts < {MAX_ATTEMPTS} AND {OWN} AND {_ON_ROOTS})"
    )
    return bool(db.execute(sql, (list(stages), *due(now), roots)).get)


class Found(NamedTuple):
    """A content that can be claimed, and whose rows this transaction has locked."""

    position: Position
    path: bytes
    due: frozenset[str]  # its stages that may run now
    locked: frozenset[str]  # its stages that are queued


def found(
    db: Database,
    stages: Collection[str],
    limit: int,
    now: int,
    request: int | None,
    after: Position | None,
    last: int | None,
) -> list[Found]:
    """Find and lock the first `limit` claimable contents of a request; see `interface.work_queue.Work.claim`."""
    locked: list[Found] = []
    while 2 * len(locked) < limit:  # where others claim the same, fewer will do
        positions = _next_positions(db, stages, limit - len(locked), now, request, after, last)
        if not positions:
            break
        after = positions[-1]
        taken = {each.position.content for each in locked}  # at an earlier position
        ours = _locked(db, [each for each in positions if each.content not in taken])
        locked += _claimable(db, ours, stages, now, suspects=False)
    return locked


def suspect(db: Database, stages: Collection[str], now: int, tried: Iterable[int]) -> list[Found]:
    """Find the suspect to claim next, if there is one; see `interface.work_queue.Work.claim_suspect`."""
    row: Any = db.execute(
        "SELECT max(request), max(date), content FROM work WHERE content IN (SELECT content FROM work WHERE claim < 0)"
        f" AND stage = ANY (%s) AND {DUE} AND attempts < {MAX_ATTEMPTS} AND claim <= 0 AND {ONLINE_EACH}"
        " AND content <> ALL (%s::bigint[])"
        " GROUP BY content ORDER BY max(attempts), content LIMIT 1",
        (list(stages), *due(now), list(tried)),
    ).fetchone()
    return [] if row is None else _claimable(db, [Position(*row)], stages, now, suspects=True)


def _locked(db: Database, positions: Collection[Position]) -> list[Position]:
    """Lock those of these contents that nobody else has locked."""
    rows: Any = db.execute(
        "SELECT id FROM content WHERE id = ANY (%s::bigint[]) FOR NO KEY UPDATE SKIP LOCKED",
        ([each.content for each in positions],),
    )
    ours = {content for (content,) in rows}
    return [each for each in positions if each.content in ours]


def _claimable(
    db: Database, positions: Collection[Position], stages: Collection[str], now: int, *, suspects: bool
) -> list[Found]:
    """Read the work of these contents, now that it is ours, and leave out what cannot be claimed any more."""
    contents = [position.content for position in positions]
    if not contents:
        return []
    rows: Any = db.execute(
        f"SELECT content, stage, claim, {DUE} AND attempts < {MAX_ATTEMPTS} FROM work WHERE content = ANY (%s::bigint[])"
        " FOR UPDATE SKIP LOCKED",
        (*due(now), contents),
    )
    queued: dict[int, set[str]] = {content: set() for content in contents}
    ready: dict[int, set[str]] = {content: set() for content in contents}
    in_flight: set[int] = set()
    for content, stage, claim, is_due in rows:
        queued[content].add(stage)
        if claim > 0 or (claim < 0 and not suspects):
            in_flight.add(content)
        elif is_due and stage in stages:
            ready[content].add(stage)
    places = _places(db, contents)
    return [
        Found(each, places[each.content], frozenset(ready[each.content]), frozenset(queued[each.content]))
        for each in positions
        if ready[each.content] and each.content in places and each.content not in in_flight
    ]


def _next_positions(
    db: Database,
    stages: Collection[str],
    limit: int,
    now: int,
    request: int | None,
    after: Position | None,
    last: int | None,
) -> list[Position]:
    """Return up to `limit` positions of claimable contents of a request, of which others may be claiming some; none at the end."""
    lowest = FAILED if request is None or request == BACKLOG else request
    before = after or (_LARGEST if request is None else request, _LARGEST, _LARGEST)
    most = _LARGEST if last is None else last
    values = (list(stages), *before, lowest, most, *due(now), limit)
    # Whether a content is in flight or away takes most of the time, so it is found out once for the stages of a content:
    # of the first contents, or, where that leaves none and there are others here, of all.
    rows: Any = db.execute(
        f"SELECT request, date, content FROM (SELECT * FROM (SELECT DISTINCT ON (content) * FROM ({_NEXT.format('')}) AS each"
        f" ORDER BY content, request DESC, date DESC) AS one ORDER BY {_ORDER} LIMIT %s) AS work WHERE {_HERE}",
        (*values, limit),
    ).fetchall()
    if not rows and any_due(db, stages, now):
        rows = db.execute(_NEXT.format(f" AND {_HERE}"), values)
    found = {Position(*row) for row in rows}
    # The stages of a content can have several positions: it is claimed once, at the first of them.
    first: dict[int, Position] = {}
    for position in sorted(found, reverse=True):
        first.setdefault(position.content, position)
    return list(first.values())[:limit]


def claimed(
    db: Database, found: Collection[Found], stages: Collection[str], worker: int, *, alone: bool
) -> list[Claim] | None:
    """Mark the due stages of these contents, and those of `stages` that follow from them, as in flight.

    -> None, and nothing is done, where this would wait for others. `alone`: no other transaction of `writing()` runs.
    """
    if not found:
        return []
    followers = registry.installed().all_followers
    todo = {each.position.content: each.due | followers(each.due).intersection(stages) for each in found}
    # A photo counts as processed alone (claim 1) only if this worker has claimed no other one.
    own: Any = db.execute("SELECT claim FROM work WHERE claim > 0 AND worker = %s LIMIT 1", (worker,)).get
    mark = 1 if len(found) == 1 and own is None else 2
    if not alone and (own == 1 or any(todo[each.position.content] - each.locked for each in found)):
        return None
    if own == 1:
        db.execute("UPDATE work SET claim = 2 WHERE claim = 1 AND worker = %s", (worker,))
    new = [(each, stage) for each in found for stage in sorted(todo[each.position.content])]
    missing = [(each, stage) for each, stage in new if stage not in each.locked]
    db.execute(
        "UPDATE work SET attempts = attempts + 1, claim = %s, worker = %s"
        " FROM unnest(%s::bigint[], %s::text[]) AS new (content, stage)"
        " WHERE work.content = new.content AND work.stage = new.stage"
        " AND work.content = ANY (%s::bigint[])",  # found by the index, however few rows there are
        (
            mark,
            worker,
            [each.position.content for each, _ in new],
            [stage for _, stage in new],
            [each.position.content for each in found],
        ),
    )
    if missing:
        db.execute(
            "INSERT INTO work (content, stage, attempts, claim, worker, request, date)"
            " SELECT content, stage, 1, %s, %s, request, date"
            " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[]) AS new (content, stage, request, date)"
            " ON CONFLICT DO NOTHING",
            (
                mark,
                worker,
                [each.position.content for each, _ in missing],
                [stage for _, stage in missing],
                [max(each.position.request, BACKLOG) for each, _ in missing],
                [each.position.date for each, _ in missing],
            ),
        )
    return [
        Claim(each.position.content, each.path, frozenset(todo[each.position.content]), each.position)
        for each in found
    ]


def _places(db: Database, contents: list[int]) -> dict[int, bytes]:
    """A path of each content on a root that is online."""
    rows: Any = db.execute(
        "SELECT DISTINCT ON (content) content, root.path, folder, name FROM photo JOIN root_here AS root ON root.id = photo.root"
        f" WHERE content = ANY (%s::bigint[]) AND gone_at IS NULL AND root.here AND {dialect.ONLINE}"
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
