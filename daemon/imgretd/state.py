"""What the daemon is doing, in the words in which it is told: to `imgret status`, to subscribers, to systemd."""

from __future__ import annotations

import time
from typing import Any


class State:
    """Set from the loop only. `see` says whether what is told has changed."""

    def __init__(self, index_path: str) -> None:
        self._index_path = index_path
        self._since = time.time()
        self._scanning: bytes | None = None
        self._resting = False
        self._waits_for: str | None = "starting"
        self._done = 0
        self._total = 0
        self._rate = 0.0
        self.problem: str | None = None

    def progress(self, done: int, total: int, rate: float) -> None:
        """So many photos of this run are described, at so many a second."""
        self._done, self._total, self._rate = done, total, rate
        self._resting = False

    def see(self, *, scanning: bytes | None, idle: bool, waits_for: str | None) -> bool:
        """Take in what the threads do now; True when it is another thing than before.

        At rest is who has nothing to do, and also who may not: whoever follows need not wait for that.
        """
        before = self._told()
        self._scanning, self._waits_for = scanning, waits_for
        self._resting = idle or (waits_for is not None and scanning is None)
        if self._resting:
            self._done = self._total = 0
        return self._told() != before

    def told(self) -> dict[str, Any]:
        """For `imgret status`."""
        return {
            "index": self._index_path,
            "since": int(self._since),
            "state": self._word(),
            "done": self._done,
            "total": self._total,
            "rate": round(self._rate, 1),
            "problem": self.problem,
        }

    def event(self) -> tuple[str, dict[str, Any]]:
        """For subscribers: `idle` when at rest, else `progress`; `message` is a sentence."""
        data = {"done": self._done, "total": self._total, "rate": round(self._rate, 1), "note": self._note()}
        return "idle" if self._resting else "progress", {**data, "message": self._sentence()}

    def _told(self) -> tuple[object, ...]:
        return self._word(), self._resting, self.problem

    def _word(self) -> str:
        if self._waits_for is not None and self._scanning is None:
            return self._waits_for
        if self._total:
            return "describing"
        if self._scanning is not None:
            return "looking at folders"
        return "idle" if self._resting else "about to work"

    def _sentence(self) -> str:
        if self.problem is not None:
            return self.problem
        if self._total and not self._resting:
            return f"describing: {self._done} of {self._total} photos, {self._rate:.1f} a second"
        if self._resting and self._waits_for is None:
            return "everything is up to date"
        return self._word()

    def _note(self) -> str:
        return f"{self._rate:.1f}/s" if self._total else self._word()
