"""The state of the daemon, as reported to `imgret status`, subscribers, systemd and the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from imgret.intake import SyncResult
from imgret.pipeline.pipeline import StageProgress
from imgret.stage_progress import stage_fields, stage_text
from imgretd.notify import notify

log = logging.getLogger(__name__)

_LOGGED_PROBLEMS = 20  # of one pass; `imgret status` lists them all


class State:
    """The state, set in the event loop only. Changes are sent to subscribers and to systemd."""

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
        self._stages: tuple[StageProgress, ...] = ()
        self.problem: str | None = None
        self.slow: str | None = None  # which disk or call does not respond

    def progress(self, done: int, total: int, rate: float, stages: tuple[StageProgress, ...] = ()) -> None:
        """Set the number of photos described in this run, their total, the rate in photos per second, and the stages."""
        self._stages = stages
        self._done, self._total, self._rate = done, total, rate
        self._resting = False
        self._publish(*self.event())

    def report_problem(self, problem: str) -> None:
        """Log a problem and send it to subscribers."""
        log.error("%s", problem)
        self.problem = problem
        self._publish("problem", {"message": problem})

    def update(
        self,
        *,
        scanning: bytes | None,
        idle: bool,
        waits_for: str | None,
        problem: str | None,
        slow: str | None = None,
    ) -> None:
        """Update the state from the activities of the threads, and publish it if it changed.

        The daemon also counts as idle while something keeps it from working, so that clients do not wait for it.
        """
        before = self._reported()
        if slow is not None and self.slow is None:
            log.warning("%s", slow)
        self.slow = slow
        self.problem = problem or slow
        self._scanning, self._waits_for = scanning, waits_for
        self._resting = idle or (waits_for is not None and scanning is None)
        if self._resting:
            self._done = self._total = 0
            self._stages = ()
        if self._reported() != before:
            self._publish(*self.event())
            notify(f"STATUS={self._sentence()}")

    def as_json(self) -> dict[str, Any]:
        """Return the state for `imgret status`."""
        return {
            "index": self._index_path,
            "since": int(self._since),
            "state": self._word(),
            "done": self._done,
            "total": self._total,
            "rate": round(self._rate, 1),
            "stages": stage_fields(self._stages),
            "problem": self.problem,
        }

    def event(self) -> tuple[str, dict[str, Any]]:
        """Return the event for subscribers: its name, `idle` or `progress`, and its data with a `message`."""
        data = {
            "done": self._done,
            "total": self._total,
            "rate": round(self._rate, 1),
            "note": self._note(),
            "stages": stage_fields(self._stages),
        }
        return "idle" if self._resting else "progress", {**data, "message": self._sentence()}

    def _reported(self) -> tuple[object, ...]:
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
        if self._stages and not self._resting:
            return stage_text(stage_fields(self._stages))
        return f"{self._rate:.1f}/s" if self._total else self._word()


def log_pass(folder: bytes, found: SyncResult) -> None:
    """Log the result of a scan of a folder, unless it found nothing."""
    here = {"FOLDER": folder}
    if found.offline:
        log.warning("A folder is not available: %s", found.offline, extra={"fields": here})
    counted = {"NEW": found.new, "MOVED": found.moved, "CHANGED": found.changed, "GONE": found.gone}
    if any(counted.values()):
        log.info("Scanned a folder", extra={"fields": {**here, **counted}})
    for problem in found.problems[:_LOGGED_PROBLEMS]:
        log.warning("%s", problem, extra={"fields": here})
