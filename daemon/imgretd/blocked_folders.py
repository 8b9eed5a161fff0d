"""Why watched folders cannot be reconciled now; each reason is reported once, and so is that it is over."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection

from imgret.errors import ConfigError, ImgretError

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0  # when the index cannot be written
MOST_RETRY_SECONDS = 300.0  # when a folder fails again and again by an error in this program


class Reasons:
    """Watched folder -> why, b"" for all of them. Any thread may call."""

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        """`on_problem` is told each reason that is new."""
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._reasons: dict[bytes, str] = {}
        self._failed: dict[bytes, int] = {}  # how often in a row, by an error in this program

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
            for path in self._failed.keys() - set(watched):
                del self._failed[path]

    def failed(self, path: bytes, error: Exception) -> float | None:
        """Report why a pass over the watched folder `path` failed.

        Returns the seconds after which to try again: longer each time for an error that nobody foresaw, so
        that it delays this folder only. None: not before the configuration changes.
        """
        if isinstance(error, ConfigError):
            self.say(path, str(error))
            return None
        if isinstance(error, ImgretError):
            self.say(path, f"{error}. {error.hint}".strip())
            return RETRY_SECONDS
        log.error("Looking at a folder failed", exc_info=error, extra={"fields": {"FOLDER": path}})
        with self._lock:
            failed = self._failed[path] = self._failed.get(path, 0) + 1
        why = f"{os.fsdecode(path)} could not be looked at: {type(error).__name__} {error}"
        self.say(path, f"{why}. It is tried again; please report it.")
        return min(RETRY_SECONDS * 2.0 ** (failed - 1), MOST_RETRY_SECONDS)

    def say(self, path: bytes, reason: str | None) -> None:
        """This is why `path` cannot be reconciled; None: it can."""
        with self._lock:
            before = set(self._reasons.values())
            if reason is None:
                self._reasons.pop(path, None)
                self._failed.pop(path, None)
            else:
                self._reasons[path] = reason
            goes_on = bool(before) and not self._reasons
        if reason is not None and reason not in before:
            self._on_problem(reason)
        elif goes_on:
            log.info("Goes on")
