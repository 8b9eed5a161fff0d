"""What the daemon is doing, in the words in which it is told: to `imgret status`, subscribers, systemd, the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from imgret.intake import SyncResult
from imgretd.notify import notify

log = logging.getLogger(__name__)

_TOLD_PROBLEMS = 20  # of one pass; `imgret status` lists them all


class State:
    """Set from the loop only; tells who subscribed, and systemd, whenever what is to be told is another."""

    def __init__(self, index_path: str, publish: Callable[[str, dict[str, Any]], None]) -> None:
        self._index_path = index_path
        self._publish = publish
        self._since = time.time()
        self._scanning: bytes | None = None
        self._resting = False
        self._waits_for: str | None = "starting"
        self._done = 0
        self._total = 0
        self._rate = 0.0
        self.problem: str | None = None
        self.slow: str | None = None  # what does not answer

    def progress(self, done: int, total: int, rate: float) -> None:
        """So many photos of this run are described, at so many a second."""
        self._done, self._total, self._rate = done, total, rate
        self._resting = False
        self._publish(*self.event())

    def complain(self, problem: str) -> None:
        """Something is wrong; it is said to whoever listens."""
        log.error("%s", problem)
        self.problem = problem
        self._publish("problem", {"message": problem})

    def see(
        self,
        *,
        scanning: bytes | None,
        idle: bool,
        waits_for: str | None,
        problem: str | None,
        slow: str | None = None,
    ) -> None:
        """Take in what the threads do now.

        At rest is who has nothing to do, and also who may not: whoever follows need not wait for that.
        """
        before = self._told()
        if slow is not None and self.slow is None:
            log.warning("%s", slow)
        self.slow = slow
        self.problem = problem or slow
        self._scanning, self._waits_for = scanning, waits_for
        self._resting = idle or (waits_for is not None and scanning is None)
        if self._resting:
            self._done = self._total = 0
        if self._told() != before:
            self._publish(*self.event())
            notify(f"STATUS={self._sentence()}")

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


def log_pass(folder: bytes, found: SyncResult) -> None:
    """Write to the log what a look at a folder found; nothing when it found nothing."""
    here = {"FOLDER": folder}
    if found.offline:
        log.warning("A folder is away: %s", found.offline, extra={"fields": here})
    counted = {"NEW": found.new, "MOVED": found.moved, "CHANGED": found.changed, "GONE": found.gone}
    if any(counted.values()):
        log.info("Looked at a folder", extra={"fields": {**here, **counted}})
    for problem in found.problems[:_TOLD_PROBLEMS]:
        log.warning("%s", problem, extra={"fields": here})
