"""Which folder of this host is which root: roots have one identity for all hosts, and a path on each."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from typing import Any

from imgret.errors import IndexProblem
from imgret.store.postgres.pg_address import Database

# The folder of a row in the root that takes in its root: two values, both the path of that root in the new one.
_MOVED = "CASE WHEN folder = ''::bytea THEN %s ELSE %s || '/'::bytea || folder END"
ELSEWHERE = b"//"  # before the host in the name of a root that this worker does not have
REPLACING = "ON CONFLICT (root, worker, sha256(folder)) DO UPDATE SET filesystem = excluded.filesystem, reason = excluded.reason"


def found(db: Database, path: bytes, filesystem: str | None) -> int:
    """Return the root that is at `path` here, known to this worker from now on; a new one if there is none.

    It is the root that this worker has there, else one of another host on the same disk, else one of another host at the
    same path. The disk of the last one may be another one: then the scan finds it offline, and nothing is deleted.
    """
    own: Any = db.execute("SELECT id FROM root_here WHERE here AND sha256(path) = sha256(%s)", (path,)).get
    if own is None:
        own = db.execute(
            "SELECT id FROM root_here WHERE (filesystem = %s AND NOT (here AND online)) OR (NOT here AND path = %s)"
            " ORDER BY filesystem = %s DESC, path = %s DESC, removed, id LIMIT 1",
            (filesystem, path, filesystem, path),
        ).get
        if own is not None:
            placed(db, own, path)
    if own is None:
        return separate(db, path, filesystem)
    db.execute("UPDATE root SET removed = false WHERE id = %s AND removed", (own,))
    return int(own)


def separate(db: Database, path: bytes, filesystem: str | None = None) -> int:
    """Return the root of this host alone at `path`, whatever other hosts have there; a new one if there is none."""
    own: Any = db.execute(
        "SELECT id FROM root_here WHERE here AND sha256(path) = sha256(%s)"
        " AND NOT EXISTS (SELECT 1 FROM root_seen WHERE root = id AND worker <> this_worker()"
        "  AND substring(root_seen.path FOR 2) <> %s)",
        (path, ELSEWHERE),
    ).get
    if own is not None:
        db.execute("UPDATE root SET removed = false WHERE id = %s AND removed", (own,))
        return int(own)
    _vacate(db, path)
    root = db.execute(  # with its disk, so that another host that adds it at this moment recognises it
        "INSERT INTO root (path, host, filesystem) VALUES (%s, %s, %s) RETURNING id",
        (path, socket.gethostname(), filesystem),
    ).get
    db.execute(
        "INSERT INTO root_seen (root, worker, filesystem, online, path) VALUES (%s, this_worker(), %s, true, %s)",
        (root, filesystem, path),
    )
    return int(root)


def placed(db: Database, root: int, path: bytes) -> None:
    """From now on this worker has the root at `path`; its disk is as it was seen before, by this worker or by others."""
    _vacate(db, path, root)
    db.execute(  # mounts that others saw, until this worker looks
        "INSERT INTO mount SELECT root, this_worker(), folder, filesystem, reason FROM mount_here"
        f" WHERE root = %s {REPLACING}",
        (root,),
    )
    db.execute(
        "INSERT INTO root_seen (root, worker, filesystem, online, reason, path)"
        " SELECT id, this_worker(), filesystem, online, reason, %s FROM root_here WHERE id = %s"
        " ON CONFLICT (root, worker) DO UPDATE SET path = excluded.path",
        (path, root),
    )


def _vacate(db: Database, path: bytes, root: int | None = None) -> None:
    """Another root that this worker had at `path` is one of its host only from now on."""
    other: Any = db.execute(
        "SELECT root, coalesce(host, '?') FROM root_seen JOIN root ON id = root WHERE worker = this_worker()"
        " AND sha256(root_seen.path) = sha256(%s) AND root IS DISTINCT FROM %s",
        (path, root),
    ).fetchone()
    if other is not None:
        taken = {found for (found,) in db.execute("SELECT path FROM root_here WHERE id <> %s", (other[0],))}
        taken.add(path)
        names = _names(other[1].encode(), path)
        db.execute(
            "UPDATE root_seen SET online = false, reason = 'it is on another host', watched = false, path = %s"
            " WHERE worker = this_worker() AND root = %s",
            (next(name for name in names if name not in taken), other[0]),
        )


def _names(host: bytes, path: bytes) -> Iterator[bytes]:
    """Yield what a root at `path` of another host may be called here: a host may have had several folders there."""
    if path.startswith(ELSEWHERE):  # it had such a name already
        path = b"/" + path.removeprefix(ELSEWHERE).partition(b"/")[2]
    yield ELSEWHERE + host + path
    for number in itertools.count(2):
        yield ELSEWHERE + host + b" (%d)" % number + path


def merged(db: Database, outer: int, inner: int, inside: bytes) -> None:
    """Make the root `inner` a part of `outer`; `inside` is its path there. Its photos stay offline for whom they are."""
    apart: Any = db.execute(
        "SELECT seen.path FROM root_seen AS seen, root_here WHERE root = %s AND id = %s"
        " AND seen.path <> root_here.path ORDER BY 1 LIMIT 1",
        (inner, inner),
    ).get
    if apart is not None:
        raise IndexProblem(
            f"other hosts have a folder of this one at {os.fsdecode(apart)}, so they cannot become one folder",
            "Add the folders inside it one by one.",
        )
    db.execute(  # tombstones from the time before this root was removed and the inner one added
        f"DELETE FROM photo WHERE root = %s AND (folder, name) IN (SELECT {_MOVED}, name FROM photo WHERE root = %s)",
        (outer, inside, inside, inner),
    )
    db.execute(
        f"UPDATE photo SET root = %s, folder = {_MOVED} WHERE root = %s", (outer, inside, inside, inner)
    )
    db.execute(
        "INSERT INTO mount SELECT %s, worker, %s || '/'::bytea || folder, filesystem, reason FROM mount"
        f" WHERE root = %s {REPLACING}",
        (outer, inside, inner),
    )
    db.execute(
        "INSERT INTO mount SELECT %s, worker, %s, filesystem, coalesce(reason, 'it is not available') FROM"
        " (SELECT root, worker, filesystem, online, reason FROM root_seen"
        "  UNION ALL SELECT id, '', filesystem, online, reason FROM root) AS seen"
        f" WHERE root = %s AND NOT online AND filesystem IS NOT NULL {REPLACING}",
        (outer, inside, inner),
    )
    db.execute("DELETE FROM root WHERE id = %s", (inner,))
