"""When the describing thread looks for work after commits of other processes.

Hosts that describe commit several times a second. On a host that can do nothing of a long queue, each look reads much of it. So
after a look that found nothing, the next one waits nine times as long as it took: a tenth of the time of the server at most.
"""

from __future__ import annotations

import time

PAUSE = 9.0  # times what the last look took
LONGEST_PAUSE = 5.0  # seconds


class ForeignCommits:
    """Used under the lock of the describing thread."""

    def __init__(self) -> None:
        self._unseen = False
        self._next_look = 0.0  # by time.monotonic

    def add(self) -> None:
        """Another process has committed."""
        self._unseen = True

    def see(self) -> None:
        """What was committed until now is looked at."""
        self._unseen = False

    def looked(self, seconds: float, *, found: bool) -> None:
        """Record how long a look at the queue took, and whether it found work."""
        self._next_look = 0.0 if found else time.monotonic() + min(PAUSE * seconds, LONGEST_PAUSE)

    @property
    def wait(self) -> float:
        """The seconds until the next look; infinity if nobody has committed."""
        return max(0.0, self._next_look - time.monotonic()) if self._unseen else float("inf")
