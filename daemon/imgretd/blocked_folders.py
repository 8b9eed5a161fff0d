"""The reasons why watched folders cannot be reconciled now. Each reason, and the end of all, is reported once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

log = logging.getLogger(__name__)


class BlockedFolders:
    """Watched folder -> reason; b"" stands for all folders. Thread-safe."""

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        """`on_problem` is called with each new reason."""
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._reasons: dict[bytes, str] = {}

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

    def set_reason(self, path: bytes, reason: str | None) -> None:
        """Set the reason why `path` cannot be reconciled; None if it can."""
        with self._lock:
            before = set(self._reasons.values())
            if reason is None:
                self._reasons.pop(path, None)
            else:
                self._reasons[path] = reason
            unblocked = bool(before) and not self._reasons
        if reason is not None and reason not in before:
            self._on_problem(reason)
        elif unblocked:
            log.info("All folders can be scanned again")
