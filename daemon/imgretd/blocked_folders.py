"""The reasons why watched folders cannot be reconciled now. Each reason, and the end of all, is reported once."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection

from imgret.errors import ConfigError, ImgretError
from imgret.limits import shortage

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0  # when the index cannot be written
MOST_RETRY_SECONDS = 300.0  # when a folder fails repeatedly because of a bug


class BlockedFolders:
    """Watched folder -> reason; b"" stands for all folders. Thread-safe."""

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        """`on_problem` is called with each new reason."""
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._reasons: dict[bytes, str] = {}
        self._failed: dict[bytes, int] = {}  # number of consecutive failures because of a bug

    @property
    def problem(self) -> str | None:
        """Return one of the reasons, or None."""
        with self._lock:
            return next(iter(self._reasons.values()), None)

    def keep_only(self, watched: Collection[bytes]) -> None:
        """Forget the reasons of folders that are no longer watched."""
        with self._lock:
            for path in self._reasons.keys() - set(watched) - {b""}:
                del self._reasons[path]
            for path in self._failed.keys() - set(watched):
                del self._failed[path]

    def failed(self, path: bytes, error: Exception) -> float | None:
        """Report why a pass over the watched folder `path` failed.

        Returns the seconds after which to try again: longer each time for an unexpected error, so
        that it delays this folder only. None: not before the configuration changes.
        """
        if isinstance(error, ConfigError):
            self.set_reason(path, str(error))
            return None
        if isinstance(error, OSError):
            error = shortage(error) or error
        if isinstance(error, ImgretError):
            self.set_reason(path, f"{error}. {error.hint}".strip())
            return RETRY_SECONDS
        log.error("Scanning a folder failed", exc_info=error, extra={"fields": {"FOLDER": path}})
        with self._lock:
            failed = self._failed[path] = self._failed.get(path, 0) + 1
        why = f"{os.fsdecode(path)} could not be scanned: {type(error).__name__} {error}"
        self.set_reason(path, f"{why}. The daemon tries again; please report this bug.")
        return min(RETRY_SECONDS * 2.0 ** (failed - 1), MOST_RETRY_SECONDS)

    def set_reason(self, path: bytes, reason: str | None) -> None:
        """Set the reason why `path` cannot be reconciled; None if it can."""
        with self._lock:
            before = set(self._reasons.values())
            if reason is None:
                self._reasons.pop(path, None)
                self._failed.pop(path, None)
            else:
                self._reasons[path] = reason
            unblocked = bool(before) and not self._reasons
        if reason is not None and reason not in before:
            self._on_problem(reason)
        elif unblocked:
            log.info("All folders can be scanned again")
