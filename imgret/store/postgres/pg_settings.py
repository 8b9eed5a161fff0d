"""Small texts that are kept in the library, one for all workers or one for each."""

from __future__ import annotations

from imgret.store.postgres.pg_address import Database

# Settings that each worker has for itself. A library that was copied has one for all; empty means that there is none.
OF_WORKER = frozenset({"models", "waiting", "paused"})


def read_sql(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the query of a setting, and its values."""
    if key in OF_WORKER:
        return (
            "SELECT value FROM setting WHERE key IN (%s, %s || ' ' || this_worker()) ORDER BY length(key) DESC",
            (key, key),
        )
    return "SELECT value FROM setting WHERE key = %s", (key,)


def remember(db: Database, key: str, value: str | None) -> None:
    """Store a setting; `None` deletes it. Within a transaction."""
    if key in OF_WORKER:
        key, value = f"{key} {db.execute('SELECT this_worker()').get}", value or ""
    if value is None:
        db.execute("DELETE FROM setting WHERE key = %s", (key,))
    else:
        db.execute(
            "INSERT INTO setting VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
