"""Notices what other processes commit, by LISTEN and NOTIFY."""

from __future__ import annotations

import os

from imgret.store.postgres import pg_address
from imgret.store.postgres.host_lock import worker_name
from imgret.store.postgres.pg_errors import translated_errors


class PgChanges:
    """Implements `imgret.store.interface.Changes`."""

    def __init__(self, place: str) -> None:
        self._place = place
        with translated_errors(place):
            self._db = pg_address.connect(place)
            try:
                self._schema = str(self._db.execute("SELECT current_schema()").get)
                self._own = f"{self._schema} {worker_name(place)} {os.getpid()}"
                self._db.execute("LISTEN imgret")
            except BaseException:
                self._db.close()
                raise

    def wait(self, seconds: float) -> bool:
        with translated_errors(self._place):
            return any(
                each.payload != self._own and each.payload.split(" ")[0] == self._schema
                for each in self._db.notifies(timeout=seconds, stop_after=1)
            )

    def close(self) -> None:
        self._db.close()
