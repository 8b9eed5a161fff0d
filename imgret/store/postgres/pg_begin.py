"""How transactions that write begin: settings, the lock of the library, and the version of its schema."""

from __future__ import annotations

from typing import Any

import psycopg

from imgret.store.postgres import pg_migrate
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_errors import BUSY_SECONDS

_VERSION = b"SELECT value FROM setting WHERE key = 'schema version'"
# A claim takes no common lock, and changes nothing that is counted.
CLAIMING = b"BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL imgret.claiming = on; " + _VERSION


def begin_sql(db: Database) -> bytes:
    """Return the statements that begin a transaction with the lock; %s is the value of `synchronous_commit`."""
    key = db.execute("SELECT hashtext(current_schema())::int8").fetchone()
    assert key is not None
    return (
        b"BEGIN; SET LOCAL lock_timeout = '%ds'; SET LOCAL synchronous_commit = %%s;"
        b" SELECT pg_advisory_xact_lock(%d, %d); %s" % (BUSY_SECONDS, pg_migrate.LOCK, key[0], _VERSION)
    )


def check_version(begun: psycopg.Cursor[Any], place: str) -> None:
    """Refuse to write what another version of imgret has migrated since the connection was opened.

    `begun` has the results of the statements above. Raises IndexTooNew and IndexMissing.
    """
    while begun.nextset():
        pass
    row = begun.fetchone()
    if row is None or int(row[0]) != pg_migrate.newest():
        raise pg_migrate.other_version(place, None if row is None else int(row[0]))
