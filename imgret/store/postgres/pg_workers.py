"""The processes that describe photos, and their leases.

A worker is one user on one host: only one of its processes claims work (`host_lock`). It renews its lease whenever it
claims or finishes work. The claims of a worker whose lease is over are free again for all.
"""

from __future__ import annotations

import os
import socket
import time

from imgret import __version__
from imgret.store.policy import CRASHED, FAILED, MAX_ATTEMPTS
from imgret.store.postgres.host_lock import worker_name
from imgret.store.postgres.pg_connection import Connection
from imgret.store.records import Host

LISTED = "30 days"  # how long a host is remembered that was not seen
LEASE = 600  # seconds; longer than any batch takes
RENEWED = 20  # seconds between two renewals
_EXPIRED = "seen_at < clock_timestamp() - make_interval(secs => %s)"


class Workers:
    """The rows of `worker`. Implements `imgret.store.interface.work_queue.Workers`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._id: int | None = None
        self._renewed = 0.0  # `time.monotonic`
        connection.at_commit(lambda: None, self._forget)

    def own(self) -> int:
        """Return the id of this worker, and renew its lease.

        The lease is renewed later where the transaction has its turn: another one of this worker may have locked the row,
        and wait for that turn.
        """
        if self._id is not None and self._connection.has_turn:
            return self._id
        if self._id is None or time.monotonic() > self._renewed + RENEWED:
            with self._connection.outside() as db:  # nobody else writes this row
                self._id = int(
                    db.query(
                        "INSERT INTO worker (name, host, process, seen_at) VALUES (%s, %s, %s, clock_timestamp())"
                        " ON CONFLICT (name) DO UPDATE SET host = excluded.host, process = excluded.process,"
                        " seen_at = excluded.seen_at RETURNING id",
                        self._identity(),
                    ).get
                )
                held = db.query(
                    f"SELECT 1 FROM worker WHERE {_EXPIRED} AND EXISTS"
                    " (SELECT 1 FROM work WHERE work.worker = worker.id AND claim > 0) LIMIT 1",
                    (LEASE,),
                ).get
            self._renewed = time.monotonic()
            if held:
                self.release_expired()
        return self._id

    def renew(self) -> None:
        """Renew the lease of this worker, if it has claimed anything."""
        if self._id is not None:
            self.own()

    def report(self, state: str, devices: str, rate: float) -> None:
        # Takes no lock and counts as no change: no other host has to notice it.
        with self._connection.outside() as db:
            db.execute(
                "INSERT INTO worker (name, host, process, seen_at, version, devices, state, rate)"
                " VALUES (%s, %s, %s, clock_timestamp(), %s, %s, %s, %s)"
                " ON CONFLICT (name) DO UPDATE SET host = excluded.host, process = excluded.process,"
                " seen_at = excluded.seen_at, version = excluded.version, devices = excluded.devices,"
                " state = excluded.state, rate = excluded.rate",
                (*self._identity(), __version__, devices, state, rate),
            )

    def all(self) -> list[Host]:
        rows = self._connection.rows(
            "SELECT host, process, version, devices, state, rate,"
            " (SELECT count(DISTINCT content) FROM work WHERE claim > 0 AND work.worker = worker.id),"
            " greatest(0, extract(epoch FROM clock_timestamp() - seen_at))::bigint, name = this_worker()"
            f" FROM worker WHERE seen_at > clock_timestamp() - interval '{LISTED}' ORDER BY host, name"
        )
        return [Host(*row) for row in rows]

    def stages_elsewhere(self) -> set[str]:
        rows = self._connection.rows(
            "SELECT value FROM setting JOIN worker ON key = 'models ' || name"
            f" WHERE name <> this_worker() AND seen_at > clock_timestamp() - interval '{LISTED}'"
        )
        return {each.partition("=")[0] for (value,) in rows for each in value.split(";") if "=" in each}

    def _identity(self) -> tuple[str, str, int]:
        return worker_name(self._connection.path), socket.gethostname(), os.getpid()

    def release_expired(self) -> None:
        """Free the claims of other workers whose leases are over."""
        self._release(_EXPIRED, LEASE)

    def release_own(self) -> None:
        """Free the claims of earlier processes of this worker."""
        self._release("id = %s", self.own())

    def _release(self, which: str, value: float) -> None:
        """Free the claims of some workers as those of dead processes; see `interface.work_queue.Work.recover`."""
        with self._connection.writing() as db:
            db.execute(
                "UPDATE work SET attempts = CASE WHEN claim > 1 THEN greatest(attempts - 1, 0) ELSE attempts END,"
                " claim = -1 WHERE claim > 0"
                f" AND worker IN (SELECT id FROM worker WHERE {which})",
                (value,),
            )
            db.execute(
                "UPDATE work SET claim = 0, error = %s, request = %s WHERE attempts >= %s AND error IS NULL"
                " AND claim < 0",
                (CRASHED, FAILED, MAX_ATTEMPTS),
            )

    def _forget(self) -> None:
        """The transaction that may have added the row is undone."""
        self._id = None
