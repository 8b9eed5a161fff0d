"""Notices what other processes commit, by LISTEN and NOTIFY."""

from __future__ import annotations

import os
import re

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
                schema = str(self._db.execute("SELECT current_schema()").get)
                # The schema, which may contain spaces, the worker and the process; see the trigger `counter_changed`.
                self._of_library = re.compile(rf"{re.escape(schema)} \S*( \d*)?")
                self._own = f"{schema} {worker_name(place)} {os.getpid()}"
                self._db.execute("LISTEN imgret")
            except BaseException:
                self._db.close()
                raise

    def wait(self, seconds: float) -> bool:
        with translated_errors(self._place):
            return any(
                each.payload != self._own and self._of_library.fullmatch(each.payload)
                for each in self._db.notifies(timeout=seconds, stop_after=1)
            )

    def close(self) -> None:
        self._db.close()
