"""What is to do: content x stage, durable, nothing lost and nothing done twice.

`claim` counts the attempt before the work begins, so that a photo which kills the process is set aside
after five tries as well; `recover`, called once by the one writer when it starts, gives back what a
dead process held. What was in flight with others then is a suspect: `claim_suspect` gives these one
at a time, and the caller has nothing else in flight meanwhile. So only the photo that was alone when the
process ended pays with an attempt. A result and its `done` are saved in one transaction by the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import apsw
from msgspec import Struct

from imgret.photo import ModelIdentity, Stage
from imgret.store.sqlite import roots
from imgret.store.sqlite.connection import Index
from imgret.store.sqlite.photos import MAX_ATTEMPTS, OTHER_INODE, PAUSES

# What has to be made again when a stage's result is another.
FOLLOWERS: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.DECODE: (),
    Stage.CAPTION: (Stage.TOPICS, Stage.EMBED),
    Stage.DETECT: (Stage.EMBED,),
    Stage.TOPICS: (Stage.EMBED,),
    Stage.EMBED: (),
}

# Why a photo was set aside that no process survived.
DEADLY = f"the program ended {MAX_ATTEMPTS} times while it described this photo alone"

# A pause that is longer than any was set before the clock jumped back: it is over.
_DUE = f"(not_before <= ?1 OR not_before > ?1 + {2 * PAUSES[-1]})"

_LIVING = "EXISTS (SELECT 1 FROM photo WHERE photo.content = work.content AND gone_at IS NULL)"


_ONLINE = (
    "EXISTS (SELECT 1 FROM photo JOIN root ON root.id = photo.root"
    f" WHERE photo.content = work.content AND gone_at IS NULL AND {roots.ONLINE})"
)


class Claim(Struct, frozen=True):
    """One content to work on."""

    content: int
    path: bytes  # one of its living paths on a root that is there
    stages: frozenset[Stage]


def queue(index: Index, content: int, stages: Collection[Stage]) -> None:
    """These stages of a content are to do. What waits already keeps its attempts."""
    with index.writing() as db:
        db.executemany(
            "INSERT OR IGNORE INTO work (content, stage) VALUES (?, ?)", [(content, s.value) for s in stages]
        )


def queue_outdated(index: Index, identities: Mapping[Stage, ModelIdentity], off: Collection[Stage]) -> int:
    """Queue what is missing or was made by another model than `identities` has; unqueue the stages `off`.

    -> how many results are to be made. The old ones stay and answer until then.
    """
    queued = 0
    with index.writing() as db:
        for stage, identity in identities.items():
            db.execute(
                "INSERT OR IGNORE INTO work (content, stage)"
                " SELECT content.id, ?1 FROM content"
                " LEFT JOIN stage_result r ON r.content = content.id AND r.stage = ?1"
                " LEFT JOIN model ON model.id = r.model"
                " WHERE EXISTS (SELECT 1 FROM photo WHERE photo.content = content.id AND gone_at IS NULL)"
                " AND (r.content IS NULL OR (model.name, model.revision, model.settings) <> (?2, ?3, ?4))",
                (stage.value, identity.name, identity.revision, identity.settings),
            )
            queued += db.changes()
        db.executemany("DELETE FROM work WHERE stage = ?", [(stage.value,) for stage in off])
    return queued


def last(index: Index) -> int:
    """The newest content that has anything to do; 0 where none has. Contents that come later have larger ids."""
    row = index.row("SELECT max(content) FROM work")
    return int(row[0] or 0) if row else 0


def claim(
    index: Index, stages: Collection[Stage], limit: int, now: int, *, after: int = 0, last: int | None = None
) -> list[Claim]:
    """Up to `limit` contents, by id, above `after` and up to `last`, with something due among `stages` and what follows.

    Suspects are left out: see `claim_suspect`.
    """
    with index.writing() as db:
        due = _due(stages, now)
        rows: list[Any] = db.execute(
            f"SELECT content, group_concat(stage) FROM work WHERE {due} AND claim = 0 AND content > ? AND content <= ?"
            " AND NOT EXISTS (SELECT 1 FROM work AS other WHERE other.content = work.content AND other.claim <> 0)"
            f" AND {_ONLINE} GROUP BY content ORDER BY content LIMIT ?",
            (after, (1 << 62) if last is None else last, limit),
        ).fetchall()
        # Alone in flight is a photo only while no other is.
        others = db.execute("SELECT 1 FROM work INDEXED BY work_claimed WHERE claim > 0 AND claim <> 0").get
        alone = len(rows) == 1 and others is None
        if rows and not alone:
            db.execute("UPDATE work INDEXED BY work_claimed SET claim = 2 WHERE claim = 1 AND claim <> 0")
        return [_claimed(db, content, found, stages, 1 if alone else 2) for content, found in rows]


def claim_suspect(
    index: Index, stages: Collection[Stage], now: int, tried: Iterable[int] = ()
) -> Claim | None:
    """A content that was in flight when a process died, but none of `tried`; the least tried first, None: no more.

    To be called only while nothing is in flight, and nothing else is to be claimed until it is done or failed.
    """
    with index.writing() as db:
        row: Any = db.execute(
            f"SELECT content, group_concat(stage) FROM work WHERE {_due(stages, now)} AND claim <= 0 AND {_ONLINE}"
            # SQLite takes the partial index only when told, and in its own words.
            " AND content IN (SELECT content FROM work INDEXED BY work_claimed WHERE claim <> 0 AND claim < 0)"
            f" AND content NOT IN ({','.join(str(int(each)) for each in tried)})"
            " GROUP BY content ORDER BY max(attempts), content LIMIT 1"
        ).fetchone()
        return _claimed(db, row[0], row[1], stages, 1) if row else None


def _due(stages: Collection[Stage], now: int) -> str:
    ours = ",".join(f"'{stage.value}'" for stage in sorted(stages))
    return f"stage IN ({ours}) AND {_DUE.replace('?1', str(int(now)))} AND attempts < {MAX_ATTEMPTS}"


def _claimed(db: apsw.Connection, content: int, due: str, stages: Collection[Stage], mark: int) -> Claim:
    todo = {Stage(stage) for stage in due.split(",")}
    for stage in tuple(todo):
        todo.update(follower for follower in _closure(stage) if follower in stages)
    db.executemany(
        "INSERT INTO work (content, stage, attempts, claim) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (content, stage) DO UPDATE SET attempts = attempts + 1, claim = excluded.claim",
        [(content, stage.value, mark) for stage in todo],
    )
    path = db.execute(
        "SELECT root.path, folder, name FROM photo JOIN root ON root.id = photo.root"
        f" WHERE content = ? AND gone_at IS NULL AND {roots.ONLINE}"
        f" ORDER BY photo.inode = {OTHER_INODE}, photo.id LIMIT 1",
        (content,),
    ).fetchone()
    assert path is not None
    return Claim(content, roots.join(*path), frozenset(todo))


def done(index: Index, content: int, stages: Iterable[Stage]) -> None:
    """These stages are saved. Call it in the transaction that saves them."""
    with index.writing() as db:
        db.executemany(
            "DELETE FROM work WHERE content = ? AND stage = ?", [(content, stage.value) for stage in stages]
        )


def failed(index: Index, content: int, stages: Iterable[Stage], error: str, now: int) -> None:
    """These stages failed for the same reason: they are tried again after growing pauses."""
    with index.writing() as db:
        for stage in stages:
            db.execute(
                "UPDATE work SET claim = 0, error = ?, not_before = ? + CASE attempts WHEN 1 THEN ?"
                " WHEN 2 THEN ? WHEN 3 THEN ? WHEN 4 THEN ? ELSE ? END WHERE content = ? AND stage = ?",
                (error, now, *PAUSES, content, stage.value),
            )


def release(index: Index, contents: Iterable[int] | None = None) -> None:
    """Give back claims that were not worked on: the attempt does not count. None: all of them."""
    with index.writing() as db:
        where = "" if contents is None else " AND content = ?"
        sql = f"UPDATE work SET claim = 0, attempts = max(attempts - 1, 0) WHERE claim <> 0{where}"
        if contents is None:
            db.execute(sql)
        else:
            db.executemany(sql, [(content,) for content in contents])


def recover(index: Index) -> None:
    """What a dead process held is free again: as suspects, see `claim_suspect`.

    One that was alone each of the last times is set aside, and says why.
    """
    with index.writing() as db:
        db.execute("UPDATE work SET attempts = max(attempts - 1, 0), claim = -1 WHERE claim > 1")
        db.execute("UPDATE work SET claim = -1 WHERE claim = 1")
        db.execute(
            "UPDATE work SET claim = 0, error = ? WHERE attempts >= ? AND error IS NULL",
            (DEADLY, MAX_ATTEMPTS),
        )


def due(index: Index, stages: Collection[Stage], now: int) -> int:
    """How many contents `claim` would give, all in all."""
    ours = ",".join(f"'{stage.value}'" for stage in sorted(stages))
    row = index.row(
        f"SELECT count(DISTINCT content) FROM work WHERE stage IN ({ours}) AND {_DUE} AND attempts < ?2"
        f" AND {_ONLINE}",
        (now, MAX_ATTEMPTS),
    )
    return int(row[0]) if row else 0


def waiting(index: Index) -> dict[Stage, int]:
    """Stage -> how many contents wait for it, failures that were set aside not counted."""
    rows = index.rows(
        f"SELECT stage, count(*) FROM work WHERE attempts < ? AND {_LIVING} GROUP BY stage", (MAX_ATTEMPTS,)
    )
    return {Stage(stage): count for stage, count in rows}


def waiting_for(index: Index, stage: Stage, at_most: int) -> int:
    """How many contents wait for a stage, counted no further than `at_most`: cheap for a question."""
    row = index.row(
        f"SELECT count(*) FROM (SELECT 1 FROM work WHERE stage = ? AND attempts < ? AND {_LIVING} LIMIT ?)",
        (stage.value, MAX_ATTEMPTS, at_most),
    )
    return int(row[0]) if row else 0


def of(index: Index, content: int) -> dict[Stage, tuple[int, int, str | None]]:
    """Stage -> (attempts, not before, error) of what is to do for a content."""
    rows = index.rows("SELECT stage, attempts, not_before, error FROM work WHERE content = ?", (content,))
    return {Stage(stage): (attempts, not_before, error) for stage, attempts, not_before, error in rows}


def _closure(stage: Stage) -> set[Stage]:
    found: set[Stage] = set()
    for follower in FOLLOWERS[stage]:
        found |= {follower} | _closure(follower)
    return found
