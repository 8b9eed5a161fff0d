"""Update an index file to the schema of this program by running numbered SQL files.

Each SQL file runs in one transaction that also sets `user_version`. An index written by a newer program is refused.
Before an existing index is changed, a backup is created beside it and checked.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import apsw

from imgret.errors import IndexProblem, IndexTooNew
from imgret.store.sqlite import sql_functions
from imgret.store.sqlite.backup import backup
from imgret.store.sqlite.locks import preparation_lock

APPLICATION_ID = 0x696D6774  # "imgt", by which `file index.db` and other programs identify the file type


class Migration(NamedTuple):
    """One numbered SQL file."""

    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Return all migrations, by ascending version."""
    found = []
    for entry in resources.files("imgret.store.sqlite").joinpath("sql").iterdir():
        match = re.fullmatch(r"(\d{4})-.*\.sql", entry.name)
        if match:
            found.append(Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8")))
    found.sort()
    return found


def version(db: apsw.Connection, newest: int | None = None) -> int:
    """Return the schema version of an open file; 0 for an empty one.

    Raises IndexProblem for a file of another application, IndexTooNew for a version above `newest` (by default, the
    newest migration).
    """
    newest = migrations()[-1].version if newest is None else newest
    # One statement reads a consistent state, even if another process creates the index at this moment.
    row: Any = db.execute(
        "SELECT application_id, user_version, EXISTS (SELECT 1 FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    application, current, tables = int(row[0]), int(row[1]), bool(row[2])
    if application != APPLICATION_ID and tables:
        raise IndexProblem(
            f"{db.filename} is an SQLite file, but not an imgret index",
            "Name another file with IMGRET_INDEX; this one was not touched.",
        )
    if current > newest:
        raise IndexTooNew(
            f"{db.filename} has schema version {current}; this imgret supports versions up to {newest}"
        )
    return current


def migrate(db: apsw.Connection, steps: Sequence[Migration] | None = None) -> int:
    """Run the missing migrations and return the new version. An interrupted one leaves the previous version.

    Only one process migrates; others that open the file meanwhile wait for it.
    """
    steps = migrations() if steps is None else steps
    newest = steps[-1].version
    if version(db, newest) >= newest:
        return version(db, newest)
    # In memory, it has no name.
    with preparation_lock(db.filename) if db.filename else contextlib.nullcontext():
        current = version(db, newest)
        if current == 0:
            db.pragma("page_size", 8192)
            db.pragma("auto_vacuum", "INCREMENTAL")
            db.pragma("application_id", APPLICATION_ID)
            db.pragma("journal_mode", "wal")
        elif current < newest:
            backup(db, f"{db.filename}.v{current}.bak", replace=True)
        sql_functions.register(db)
        for step in steps:
            if step.version <= current:
                continue
            with _exclusive(db):
                # An older imgret, which does not use the lock, may have migrated the file meanwhile.
                if int(db.pragma("user_version")) >= step.version:
                    continue
                db.execute(step.sql)
                db.pragma("application_id", APPLICATION_ID)
                db.pragma("user_version", step.version)
    return int(db.pragma("user_version"))


class _exclusive:  # noqa: N801 - it is used as a function
    """A `BEGIN IMMEDIATE` transaction; DDL and pragmas inside are rolled back together."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self.db.execute("ROLLBACK" if kind else "COMMIT")
