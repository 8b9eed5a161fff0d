"""The thread that describes due photos with the available models.

The work itself is done by `imgret.ingest`, as in `imgret index`. This module decides when to work: not while paused,
on battery, or while another program needs the memory of the GPU. It also frees memory when there is nothing to do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from imgret.config import Places, Settings
from imgret.errors import ImgretError
from imgret.ingest import Ingest
from imgret.limits import as_sentence, shortage
from imgret.pipeline import devices
from imgret.requeue import prepare, workable
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgretd.between_runs import BetweenRuns
from imgretd.codes_saver import CodesSaver
from imgretd.foreign_commits import ForeignCommits
from imgretd.host_report import HostReport
from imgretd.loaded_models import LoadedModels
from imgretd.scheduling import GPU_SHORT, lower_thread_priority, reason_to_wait
from imgretd.stuck_work import StuckWork
from imgretd.workable_stages import WorkableStages

if TYPE_CHECKING:
    from imgret.pipeline.pipeline import Progress, StageProgress

log = logging.getLogger(__name__)

CHECK_SECONDS = 30.0  # how often due retries and reasons to wait are checked
RETRY_SECONDS = 10.0  # after an error of the index, a device or a limit of the machine
NOTES_SECONDS = 2.0  # how often work queued by other processes (a note, a retry) is checked


class Worker(threading.Thread):
    """Describes the photos of one index. Any thread may call its methods; the callbacks are called in this thread."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        warm: LoadedModels,
        on_progress: Callable[[int, int, float, tuple[StageProgress, ...]], None],
        on_problem: Callable[[str], None],
        on_change: Callable[[], None],
        on_file_changed: Callable[[bytes], None],
    ) -> None:
        """`on_progress` is called with the photos done in this run, their total, the photos per second, and the stages.

        `on_file_changed` is called with a folder in which a file differs from the index.
        """
        super().__init__(name="describe", daemon=True)
        self._places = places
        self._settings = settings
        self._warm = warm
        self._on_progress = on_progress
        self._on_problem = on_problem
        self._on_change = on_change
        self._on_file_changed = on_file_changed
        self._changed = threading.Condition()
        self._awake = True  # there may be work
        self._foreign = ForeignCommits()
        self._busy = False
        self._paused = False
        self._stopping = False
        self._reloaded: tuple[Settings, LoadedModels] | None = None
        self._ingest: Ingest | None = None
        self._workable = WorkableStages(places, on_problem)
        self._stuck = StuckWork()
        self._kept = BetweenRuns()
        self._last_worked = self._last_check = time.monotonic()
        self._host_report = HostReport()
        self.codes_saver = CodesSaver()
        self.heartbeat = time.monotonic()
        self.problem: str | None = None
        self.waits_for: str | None = None  # why due work is not done

    @property
    def broken(self) -> dict[str, str]:
        """Stages whose weights are present but cannot be loaded, each with the reason."""
        return self._workable.broken

    @property
    def idle(self) -> bool:
        """Whether there was no work at the last check."""
        with self._changed:
            return not (self._awake or self._busy or self._reloaded or self.problem)

    def wake(self) -> None:
        """Check for work now."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def look(self) -> None:
        """Check for work soon, because another process has committed."""
        with self._changed:
            self._foreign.add()
            self._changed.notify_all()

    def pause(self, *, paused: bool) -> None:
        """Pause after the batch in flight, or resume."""
        with self._changed:
            self._paused = paused
            if paused:
                self._interrupt()
            self._awake = True
            self._changed.notify_all()

    def reload(self, settings: Settings, warm: LoadedModels) -> None:
        """Continue with these settings and models after the batch in flight."""
        with self._changed:
            self._reloaded = settings, warm
            self._interrupt()
            self._changed.notify_all()

    def stop(self) -> None:
        """End the thread after the batch in flight."""
        with self._changed:
            self._stopping = True
            self._interrupt()
            self._changed.notify_all()

    def run(self) -> None:
        """Describe photos until `stop`; the main function of the thread."""
        with contextlib.suppress(Exception):  # optional
            lower_thread_priority()
        try:
            while not self._stopping:
                try:
                    with open_store(self._places.index) as store:
                        store.work.recover()
                        self._work_loop(store)
                except BaseException as error:  # no failure of this thread may end the daemon
                    if not isinstance(error, ImgretError) and shortage(error) is None:
                        log.error("Describing failed", exc_info=error)
                    self._report(as_sentence(error))
                    self._on_change()
                    self._kept.close_decoder()
                    self._wait(RETRY_SECONDS, retrying=True)
        finally:
            self._kept.close_decoder()

    def _work_loop(self, store: Store) -> None:
        version = -1
        while not self._stopping:
            self.heartbeat = time.monotonic()
            self._take_reload()
            now_version = store.data_version()
            with self._changed:
                is_late = time.monotonic() - self._last_check >= CHECK_SECONDS
                if now_version != version:
                    self._foreign.add()
                check, version = self._has_reason() or is_late, now_version
                self._busy, self._awake = check, False
                if check:
                    self._foreign.see()
            if check:
                try:
                    self._work(store)
                finally:
                    self._busy = False
                self._report(None)
                self._on_change()
            self._report_to_others(store)
            self._unload_if_idle()
            self.codes_saver.when_idle(store, self._interrupted)
            self._wait(NOTES_SECONDS)

    def _work(self, store: Store) -> None:
        """Describe everything that is due, unless there is a reason to wait."""
        self._last_check = time.monotonic()
        available = self._workable.identities(self._settings)
        prepare(store, self._settings, available, self.broken)
        stages = workable(self._settings, available)
        began = time.monotonic()
        due = store.work.due(stages, int(time.time()), at_most=1)
        self.waits_for = self._reason_to_wait() if due else None
        found = bool(due) and not self._stuck.is_all(store, stages)
        with self._changed:
            self._foreign.looked(time.monotonic() - began, found=found)
        if not found:
            return
        if self.waits_for is not None:
            if self.waits_for == GPU_SHORT:
                self._warm.unload_heavy()
            return
        models = self._workable.models(store, self._settings, self._warm, available)
        self.heartbeat = time.monotonic()
        ingest = Ingest(
            store, self._settings, models, costs=self._kept.costs(models, self._settings), arrivals=True
        )
        with self._changed:
            if self._stopping or self._paused or self._reloaded is not None:
                self._awake = True
                return
            self._ingest = ingest
        try:
            waiting = store.summary.progress().waiting
            total = max((waiting.get(stage, 0) for stage in stages), default=0)
            self._on_progress(0, total, 0.0, ())
            described = ingest.run(
                lambda progress: self._advance(store, ingest, progress, total),
                self._kept.decoder(self._settings),
            )
            for folder in {os.path.dirname(path) for path in described.changed}:
                self._on_file_changed(folder)
            self._stuck.remember(described, store, stages)
        finally:
            with self._changed:
                self._ingest = None

    def _advance(self, store: Store, ingest: Ingest, progress: Progress, total: int) -> None:
        self.heartbeat = time.monotonic()
        self._last_worked = time.monotonic() if progress.done else self._last_worked
        rate = progress.done / progress.seconds if progress.seconds else 0.0
        self._on_progress(progress.done, max(total, progress.done), rate, progress.stages)
        self._report_to_others(store, rate)
        if self._reason_to_wait() is not None:
            self.wake()
            ingest.stop()

    def _report_to_others(self, store: Store, rate: float = 0.0) -> None:
        """Report to other hosts what this one does."""
        state = "describing" if rate else self.waits_for or "idle"
        self._host_report.send(store, state, devices.shown(self._settings.device), rate)

    def _reason_to_wait(self) -> str | None:
        return "paused" if self._paused else reason_to_wait(self._settings)

    def _unload_if_idle(self) -> None:
        idle = time.monotonic() - max(self._last_worked, self._warm.last_image_search)
        if idle >= self._settings.daemon.unload_after_minutes * 60:
            self._kept.close_decoder()
            if self._warm.unload_heavy():
                log.info("Unloaded the models that only describing needs")

    def _interrupted(self) -> bool:
        """Whether there is something else to do than to save codes."""
        self.heartbeat = time.monotonic()
        with self._changed:
            return self._stopping or self._has_reason()

    def _has_reason(self) -> bool:
        """Whether to check for work now."""
        return self._awake or self._foreign.wait == 0.0

    def _take_reload(self) -> None:
        with self._changed:
            reloaded, self._reloaded = self._reloaded, None
            if reloaded is None:
                return
            self._awake = True
        self._kept.close_decoder()
        old, (self._settings, self._warm) = self._warm, reloaded
        self._workable.forget()
        self._stuck = StuckWork()
        if old is not self._warm:
            old.close()

    def _interrupt(self) -> None:
        if self._ingest is not None:
            self._ingest.stop()

    def _wait(self, seconds: float, *, retrying: bool = False) -> None:
        """Wait until there may be work; if `retrying`, wait the full time unless the settings change."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._stopping and time.monotonic() < deadline:
                if self._reloaded is not None or (self._has_reason() and not retrying):
                    return
                self.heartbeat = time.monotonic()
                left = 1.0 if retrying else min(1.0, self._foreign.wait)
                self._changed.wait(max(0.0, min(left, deadline - time.monotonic())))

    def _report(self, problem: str | None) -> None:
        if problem != self.problem:
            self.problem = problem
            if problem is not None:
                self._on_problem(problem)
            else:
                log.info("Continuing after the problem")
