"""What this host reports to the other ones that have the same index: what it does, and how fast."""

from __future__ import annotations

import time

from imgret.store.interface import Store

REPORT_SECONDS = 20.0  # between two reports of the same state


class HostReport:
    """Used only by the describing thread."""

    def __init__(self) -> None:
        self._state = ""
        self._since = 0.0  # by time.monotonic

    def send(self, store: Store, state: str, device: str, rate: float) -> None:
        """Report this state, unless it was reported a moment ago."""
        now = time.monotonic()
        if state != self._state or now - self._since >= REPORT_SECONDS:
            store.workers.report(state, device, rate)
            self._state, self._since = state, now
