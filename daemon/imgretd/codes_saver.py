"""Saves the codes of searches when no vectors have been added for a while, so that the next start takes seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from imgret.limits import as_sentence
from imgret.store.interface import Store

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0  # without new vectors, and between two attempts

Save = Callable[[Store, Callable[[], bool]], None]


class CodesSaver:
    """Belongs to the thread that describes, which is that of the only writer."""

    def __init__(self) -> None:
        self.save: Save | None = None  # `imgretd.search_threads.SearchThreads.save_codes`
        self._newest = -1  # the last vector
        self._quiet_since = time.monotonic()
        self._problem: str | None = None

    def when_idle(self, store: Store, interrupted: Callable[[], bool]) -> None:
        """Save them if the last vector was added long ago. Stops when `interrupted` returns True, and tries again later."""
        newest = store.vectors.last_id()
        if newest != self._newest:
            self._newest, self._quiet_since = newest, time.monotonic()
        if self.save is None or time.monotonic() - self._quiet_since < IDLE_SECONDS:
            return
        try:
            self.save(store, interrupted)
            self._problem = None
        except Exception as error:  # a full disk, for example: the codes can be computed again
            if as_sentence(error) != self._problem:
                self._problem = as_sentence(error)
                log.warning("The codes of searches could not be saved: %s", self._problem)
        self._quiet_since = time.monotonic()
