"""Small texts that are kept in the library, one for all workers or one for each."""

from __future__ import annotations

from imgret.store.postgres.pg_address import Database

# Settings that each worker has for itself. A library that was copied has one for all; empty means that there is none.
_OF_WORKER = frozenset({"models", "waiting", "paused"})
_FILES = "codes."  # the beginning of the keys of marks of files, which each worker has for itself


def of_worker(key: str) -> bool:
    """Return whether each worker has this setting for itself."""
    return key in _OF_WORKER or key.startswith(_FILES)


def read_sql(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the query of a setting, and its values."""
    if of_worker(key):
        return (
            "SELECT value FROM setting WHERE key IN (%s, %s || ' ' || this_worker()) ORDER BY length(key) DESC",
            (key, key),
        )
    return "SELECT value FROM setting WHERE key = %s", (key,)


def remember(db: Database, key: str, value: str | None) -> None:
    """Store a setting; `None` deletes it. Within a transaction."""
    if of_worker(key):
        key, value = f"{key} {db.execute('SELECT this_worker()').get}", value or ""
    if value is None:
        db.execute("DELETE FROM setting WHERE key = %s", (key,))
    else:
        db.execute(
            "INSERT INTO setting VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
