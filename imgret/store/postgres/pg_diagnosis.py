"""What a server lacks before imgret can use or write a library there, with the SQL for its administrator."""

from __future__ import annotations

from typing import Any

from imgret.store.postgres import pg_address, pg_migrate, pg_schema
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_errors import translated_errors


def lacks(place: str) -> list[str]:
    """Return a sentence with SQL for each thing that is missing. Raises ImgretError if the server cannot be reached."""
    with translated_errors(place), pg_address.connect(place) as db:
        if db.info.server_version < pg_migrate.OLDEST_SERVER:
            return [f"the server is PostgreSQL {db.info.server_version // 10_000}; update it to 16 or later"]
        return [*_extensions(db), *_rights(db)]


def _extensions(db: Database) -> list[str]:
    statements = pg_migrate.lacking(db)
    offered = {name for (name,) in db.execute("SELECT name FROM pg_available_extensions")}
    missing = [name for name in pg_migrate.EXTENSIONS if name not in offered]
    found = [
        f"the server does not offer the extension {name}: install pgvector 0.8 or later on it"
        if name == "vector"
        else f"the server does not offer the extension {name}: install PostgreSQL's contrib package on it"
        for name in missing
    ]
    if statements:
        found.append(f"an administrator has to execute in this database: {' '.join(statements)}")
    return found


def _rights(db: Database) -> list[str]:
    """The grants that the user lacks: to make the library if there is none, else to write to it."""
    schema = pg_schema.wanted(db)
    row: Any = db.execute(
        "SELECT quote_ident(current_user), quote_ident(current_database()), quote_ident(%s),"
        " to_regnamespace(quote_ident(%s)) IS NOT NULL, has_database_privilege(current_database(), 'CREATE')",
        (schema, schema),
    ).fetchone()
    user, database, quoted, there, may_create = row
    if not there:
        return (
            []
            if may_create
            else [f"the user may not make a schema: GRANT CREATE ON DATABASE {database} TO {user};"]
        )
    rights: Any = db.execute(
        "SELECT has_schema_privilege(%s, 'USAGE'), has_schema_privilege(%s, 'CREATE'),"
        " coalesce(bool_and(has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE')), true) FROM pg_class"
        " WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind IN ('r', 'v')",
        (schema, schema, schema),
    ).fetchone()
    usage, create, write = rights
    if not usage:
        return [f"the user may not read the library: GRANT USAGE ON SCHEMA {quoted} TO {user};"]
    if not create or not write:
        return [
            f"the user may not write to the library: GRANT USAGE, CREATE ON SCHEMA {quoted} TO {user};"
            f" GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quoted} TO {user};"
            f" GRANT USAGE ON ALL SEQUENCES IN SCHEMA {quoted} TO {user};"
        ]
    return []
