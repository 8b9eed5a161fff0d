"""Prepare a library: what the server must have, and numbered SQL files that bring the schema up to date.

The files run in one transaction under an advisory lock, so several hosts may open a library at the same moment.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import psycopg
from psycopg import errors

from imgret.errors import ImgretError, IndexMissing, IndexProblem, IndexTooNew, ReadOnly
from imgret.store.postgres import pg_schema
from imgret.store.postgres.pg_address import Database, load_vectors
from imgret.store.postgres.pg_errors import sentence

LOCK = 0x696D6774  # "imgt": the first half of the keys of our advisory locks
OLDEST_SERVER = 160_000
OLDEST_PGVECTOR = (0, 8)
EXTENSIONS = ("vector", "pg_trgm")


class Migration(NamedTuple):
    """One numbered SQL file."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> list[Migration]:
    """Return all migrations, by ascending version."""
    found = []
    for entry in resources.files("imgret.store.postgres").joinpath("sql").iterdir():
        match = re.fullmatch(r"(\d{4})-.*\.sql", entry.name)
        if match:
            found.append(Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8")))
    return sorted(found)


def prepare(db: Database, place: str, *, create: bool) -> ImgretError | None:
    """Check the server and the library, and migrate it. -> why it cannot be written to; None where it can.

    Raises IndexProblem for a server that is too old or lacks an extension, and for a missing library without `create`.
    """
    if db.info.server_version < OLDEST_SERVER:
        raise IndexProblem(
            f"the server of {place} is PostgreSQL {db.info.server_version // 10_000}; imgret needs 16 or later",
            "Update the server.",
        )
    current = version(db)
    unseen = pg_schema.refusal(db, place) if current is None else None
    if unseen is not None:
        raise unseen
    if current is None and not create:
        raise IndexMissing(f"there is no index at {place}")
    if current is not None and current > newest():
        raise other_version(place, current)
    if current == newest():
        return _refusal(db, place)
    refusal = _server_refusal(db, place)
    if refusal is not None:
        raise refusal
    _migrate(db, place)
    load_vectors(db)
    return None


def newest() -> int:
    """Return the schema version that this imgret makes."""
    return migrations()[-1].version


def other_version(place: str, found: int | None) -> ImgretError:
    """Return the error for a library that this imgret cannot write: it has another version, or was removed (None)."""
    if found is None:
        return IndexMissing(f"the index at {place} was removed")
    return IndexTooNew(f"{place} has schema version {found}; this imgret supports versions up to {newest()}")


def unmade(db: Database) -> None:
    """Drop what the migrations have made: the tables and functions, nothing else of the schema."""
    text = "\n".join(step.sql for step in migrations())
    made = dict.fromkeys(re.findall(r"^CREATE (?:OR REPLACE )?(TABLE|FUNCTION) (\w+)", text, re.M))
    if version(db) is None:
        return
    with db.transaction():
        for kind, name in reversed(made):  # in another schema of the search path there may be another library
            db.execute(f"DROP {kind} IF EXISTS {pg_schema.qualified(db, name)} CASCADE".encode())


def version(db: Database) -> int | None:
    """Return the schema version of the library; None if there is none."""
    if not pg_schema.has_library(db):
        return None
    row: Any = db.execute("SELECT value FROM setting WHERE key = 'schema version'").fetchone()
    return int(row[0]) if row else 0


def lacking(db: Database) -> list[str]:
    """Return the SQL statements that an administrator has to execute in the database before imgret can use it."""
    there = dict(db.execute("SELECT extname, extversion FROM pg_extension").fetchall())
    found = [f"CREATE EXTENSION {name};" for name in EXTENSIONS if name not in there]
    if "vector" in there and _numbers(there["vector"]) < OLDEST_PGVECTOR:
        found.append("ALTER EXTENSION vector UPDATE;")
    return found


def _migrate(db: Database, place: str) -> None:
    with db.transaction():
        # Each statement sees what others have migrated while this transaction waited.
        db.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        db.execute("SELECT pg_advisory_xact_lock(%s::int, hashtext(%s))", (LOCK, "migration"))
        pg_schema.make(db)
        _make_extensions(db, place)
        pg_schema.check_path(db, place)
        db.execute("SELECT pg_advisory_xact_lock(%s::int, hashtext(current_schema()))", (LOCK,))  # of writers
        current = version(db)
        for step in migrations():
            if current is None or step.version > current:
                psycopg.Cursor(db).execute(step.sql.encode())  # several statements, so not in binary form
                db.execute(
                    "INSERT INTO setting VALUES ('schema version', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (str(step.version),),
                )


def _make_extensions(db: Database, place: str) -> None:
    for statement in lacking(db):
        try:
            with db.transaction():
                db.execute(
                    f"{statement.rstrip(';')}{' SCHEMA public' if 'CREATE' in statement else ''}".encode()
                )
        except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile) as error:
            raise IndexProblem(
                f"the server of {place} lacks an extension that imgret needs: {sentence(error)}",
                f"An administrator has to install pgvector 0.8 or later, and to execute in this database: {' '.join(lacking(db))}",
            ) from None


def _server_refusal(db: Database, place: str) -> ImgretError | None:
    row: Any = db.execute(
        "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
    ).fetchone()
    return ReadOnly(f"{place} cannot be written: the server only reads") if row[0] else None


def _refusal(db: Database, place: str) -> ImgretError | None:
    refusal = _server_refusal(db, place)
    if refusal is None:
        row: Any = db.execute(
            "SELECT has_table_privilege('content', 'INSERT') AND has_table_privilege('counter', 'UPDATE'), current_user"
        ).fetchone()
        if not row[0]:
            return ReadOnly(f"{place} cannot be written: the user {row[1]} may only read it")
    return refusal


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
