"""The schema of a library: the first one of the search path, whether it is there or not.

`current_schema()` is the first one that is there and that the user may use, which may be another one.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg import sql

from imgret.errors import ImgretError, IndexProblem, ReadOnly
from imgret.store.postgres.pg_address import Database

_FIRST = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s,]*))')
_UPPER = re.compile("[A-Z]+")  # the server lowers no other letters of a name
_LONGEST = 63  # bytes of a name; the server cuts off the rest


def wanted(db: Database) -> str:
    """Return the name of the first schema of the search path."""
    path, user = _row(db, "SELECT current_setting('search_path'), current_user::text")
    return first_of(path, user)


def first_of(path: str, user: str) -> str:
    """Return the first name of a search path as the server reads it."""
    match = _FIRST.match(path)
    assert match is not None  # it matches any text
    quoted, plain = match.groups()
    name = _UPPER.sub(lambda found: found[0].lower(), plain) if quoted is None else quoted.replace('""', '"')
    return user if name == "$user" else name.encode()[:_LONGEST].decode(errors="ignore")


def has_library(db: Database) -> bool:
    """Return whether there is a library in the wanted schema, as far as the user may see."""
    path, user, schema, there = _row(
        db,
        "SELECT current_setting('search_path'), current_user::text, current_schema()::text,"
        " to_regclass(quote_ident(current_schema()) || '.setting') IS NOT NULL",
    )
    return bool(there) and schema == first_of(path, user)


def make(db: Database) -> None:
    """Create the wanted schema, if it does not exist."""
    if not _exists(db, wanted(db)):
        db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(wanted(db))))


def refusal(db: Database, place: str) -> ImgretError | None:
    """Return why the user cannot see what is in the wanted schema; None if the user can, or if it does not exist."""
    schema = wanted(db)
    user, current = _row(db, "SELECT current_user::text, current_schema()::text")
    if current == schema or not _exists(db, schema):
        return None
    return ReadOnly(
        f"the server of {place} refused: the user {user} may not use the schema {schema}",
        "Run `imgret doctor`: it prints the SQL by which an administrator grants the right.",
    )


def check_path(db: Database, place: str) -> None:
    """Raise IndexProblem unless the names of the extensions are found by the search path, in another schema than ours."""
    schema = wanted(db)
    for extension, its, found in db.execute(
        "SELECT extname::text, nspname::text, nspname = ANY (current_schemas(true)) FROM pg_extension"
        " JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname IN ('vector', 'pg_trgm') ORDER BY 1 DESC"
    ).fetchall():
        if its == schema:
            raise IndexProblem(
                f"the index at {place} cannot be in the schema {its}, because the extension {extension} is there",
                "Name another schema first in `search_path`: `?options=-csearch_path%3DSCHEMA,public`.",
            )
        if not found:
            raise IndexProblem(
                f"the extension {extension} is in the schema {its}, which the `search_path` of {place} lacks",
                f"Name it after the schema of the index: `?options=-csearch_path%3D{schema},{its}`.",
            )


def qualified(db: Database, name: str) -> str:
    """Return a name with that of the schema of the library, for SQL that must not find another one."""
    return str(_row(db, "SELECT concat(quote_ident(current_schema()), '.', quote_ident(%s::text))", name)[0])


def _exists(db: Database, schema: str) -> bool:
    return db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).get is not None


def _row(db: Database, query: str, *values: str) -> tuple[Any, ...]:
    row = db.execute(query, values).fetchone()
    assert row is not None
    return tuple(row)
