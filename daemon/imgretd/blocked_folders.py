"""Why watched folders cannot be reconciled now; each reason is reported once, and so is that it is over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

log = logging.getLogger(__name__)


class Reasons:
    """Watched folder -> why, b"" for all of them. Any thread may call."""

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        """`on_problem` is told each reason that is new."""
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._reasons: dict[bytes, str] = {}

    @property
    def problem(self) -> str | None:
        """One of the reasons; None when there is none."""
        with self._lock:
            return next(iter(self._reasons.values()), None)

    def keep(self, watched: Collection[bytes]) -> None:
        """Forget the reasons of folders that are not watched any more."""
        with self._lock:
            for path in self._reasons.keys() - set(watched) - {b""}:
                del self._reasons[path]

    def say(self, path: bytes, reason: str | None) -> None:
        """This is why `path` cannot be reconciled; None: it can."""
        with self._lock:
            before = set(self._reasons.values())
            if reason is None:
                self._reasons.pop(path, None)
            else:
                self._reasons[path] = reason
            goes_on = bool(before) and not self._reasons
        if reason is not None and reason not in before:
            self._on_problem(reason)
        elif goes_on:
            log.info("Goes on")
