"""Due work that a run could not do, for example because its disk is away although the index does not know it yet.

Without this, such work would be tried at each check: it would load the models again and again, and keep them in memory.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from imgret.ingest import Described
from imgret.store.interface import Store

TRY_SECONDS = 900.0  # until it is tried again, although nothing has changed in the index


class StuckWork:
    """Used only by the describing thread."""

    def __init__(self) -> None:
        self._left: tuple[int, frozenset[str], int] | None = None
        self._again_at = 0.0  # by time.monotonic

    def remember(self, described: Described, store: Store, stages: Collection[str]) -> None:
        """Record what is due now, if the run that has just ended has done nothing of it."""
        if described.done or described.failed or described.interrupted:
            return
        self._left = _due(store, stages)
        self._again_at = time.monotonic() + TRY_SECONDS

    def is_all(self, store: Store, stages: Collection[str]) -> bool:
        """Return whether nothing but this work is due, and no other process has changed the index."""
        if self._left is None or time.monotonic() >= self._again_at:
            return False
        return self._left == _due(store, stages)


def _due(store: Store, stages: Collection[str]) -> tuple[int, frozenset[str], int]:
    return store.data_version(), frozenset(stages), store.work.due(stages, int(time.time()))
