"""How transactions that write begin: settings, the locks of the library, and the version of its schema.

There are two advisory locks. Transactions of `writing()` hold the first one alone, those of `changing()` share it, and each
of these locks the contents that it changes. Before one of them writes what all share, it takes the second lock.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg

from imgret.store.postgres import pg_migrate
from imgret.store.postgres.pg_address import Database
from imgret.store.postgres.pg_errors import BUSY_SECONDS

# Each statement sees what others committed while this transaction waited for a lock.
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_VERSION = b"SELECT value FROM setting WHERE key = 'schema version'"
# A claim takes no common lock, and changes nothing that is counted.
CLAIMING = _BEGIN + b"; SET LOCAL synchronous_commit = off; SET LOCAL imgret.claiming = on; " + _VERSION
_ORDER = pg_migrate.LOCK + 1  # the first half of the key of the second lock


class Locks:
    """The statements that begin a transaction of one library."""

    def __init__(self, db: Database) -> None:
        key = db.execute("SELECT hashtext(current_schema())::int8").fetchone()
        assert key is not None
        self._key = int(key[0])
        self.in_order = b"SELECT pg_advisory_xact_lock(%d, %d)" % (_ORDER, self._key)

    def writing(self, *, durable: bool) -> bytes:
        """Begin a transaction beside no other one."""
        return self._begin(b"on" if durable else b"off", b"pg_advisory_xact_lock")

    def changing(self, contents: Collection[int]) -> bytes:
        """Begin a transaction beside others that change other contents. All lock theirs in the same order."""
        ids = b",".join(b"%d" % content for content in contents)
        rows = b"SELECT 1 FROM content WHERE id IN (%s) ORDER BY id FOR NO KEY UPDATE" % ids
        return self._begin(b"off", b"pg_advisory_xact_lock_shared", rows if ids else b"SELECT 1")

    def _begin(self, synchronous: bytes, lock: bytes, *more: bytes) -> bytes:
        return b"; ".join(
            (
                _BEGIN,
                b"SET LOCAL lock_timeout = '%ds'" % BUSY_SECONDS,
                b"SET LOCAL synchronous_commit = " + synchronous,
                b"SELECT %s(%d, %d)" % (lock, pg_migrate.LOCK, self._key),
                *more,
                _VERSION,
            )
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
