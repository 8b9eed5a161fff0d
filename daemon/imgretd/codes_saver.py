"""Saves the codes of searches when the daemon has been idle, so that the next start takes seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from imgret.limits import as_sentence
from imgret.store.interface import Store

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0  # without work, and between two attempts

Save = Callable[[Store, Callable[[], bool]], None]


class CodesSaver:
    """Belongs to the thread that describes, which is that of the only writer."""

    def __init__(self) -> None:
        self.save: Save | None = None  # `imgretd.search_threads.SearchThreads.save_codes`
        self._last = time.monotonic()
        self._problem: str | None = None

    def when_idle(self, store: Store, last_worked: float, interrupted: Callable[[], bool]) -> None:
        """Save them if the last work is long ago. Stops when `interrupted` returns True, and tries again later."""
        if self.save is None or time.monotonic() - max(last_worked, self._last) < IDLE_SECONDS:
            return
        try:
            self.save(store, interrupted)
            self._problem = None
        except Exception as error:  # a full disk, for example: the codes can be computed again
            if as_sentence(error) != self._problem:
                self._problem = as_sentence(error)
                log.warning("The codes of searches could not be saved: %s", self._problem)
        self._last = time.monotonic()
