"""The processes that describe photos, and their leases.

A worker is one user on one host: only one of its processes claims work (`host_lock`). It renews its lease whenever it
claims or finishes work. The claims of a worker whose lease is over are free again for all.
"""

from __future__ import annotations

import os
import socket
import time

from imgret.store.policy import CRASHED, FAILED, MAX_ATTEMPTS
from imgret.store.postgres.host_lock import worker_name
from imgret.store.postgres.pg_connection import Connection

LEASE = 600  # seconds; longer than any batch takes
RENEWED = 20  # seconds between two renewals


class Workers:
    """The rows of `worker`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._id: int | None = None
        self._renewed = 0.0  # `time.monotonic`
        connection.at_commit(lambda: None, self._forget)

    def own(self) -> int:
        """Return the id of this worker, within `writing()`, and renew its lease."""
        if self._id is None or time.monotonic() > self._renewed + RENEWED:
            with self._connection.writing() as db:
                self._id = int(
                    db.execute(
                        "INSERT INTO worker (name, host, process, seen_at) VALUES (%s, %s, %s, clock_timestamp())"
                        " ON CONFLICT (name) DO UPDATE SET host = excluded.host, process = excluded.process,"
                        " seen_at = excluded.seen_at RETURNING id",
                        (worker_name(self._connection.path), socket.gethostname(), os.getpid()),
                    ).get
                )
            self._renewed = time.monotonic()
            self.release_expired()
        return self._id

    def renew(self) -> None:
        """Renew the lease of this worker, if it has claimed anything."""
        if self._id is not None:
            self.own()

    def release_expired(self) -> None:
        """Free the claims of other workers whose leases are over."""
        self._release("seen_at < clock_timestamp() - make_interval(secs => %s)", LEASE)

    def release_own(self) -> None:
        """Free the claims of earlier processes of this worker."""
        self._release("id = %s", self.own())

    def _release(self, which: str, value: float) -> None:
        """Free the claims of some workers as those of dead processes; see `interface.work_queue.Work.recover`."""
        with self._connection.writing() as db:
            db.execute(
                "UPDATE work SET attempts = CASE WHEN claim > 1 THEN greatest(attempts - 1, 0) ELSE attempts END,"
                " claim = -1 WHERE claim <> 0 AND claim > 0"
                f" AND worker IN (SELECT id FROM worker WHERE {which})",
                (value,),
            )
            db.execute(
                "UPDATE work SET claim = 0, error = %s, request = %s WHERE attempts >= %s AND error IS NULL"
                " AND claim <> 0 AND claim < 0",
                (CRASHED, FAILED, MAX_ATTEMPTS),
            )

    def _forget(self) -> None:
        """The transaction that may have added the row is undone."""
        self._id = None
