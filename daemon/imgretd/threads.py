"""The daemon's threads, and the combination of their states.

The callbacks of the reconciler and the worker run on their own threads; here they become calls in the event loop.
`update_state` combines the states of the threads for `imgret status` and the subscribers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

from imgret.config import Places, Settings
from imgret.errors import DaemonError
from imgret.intake import SyncResult
from imgret.store.change_listener import ChangeListener
from imgret.store.factory import open_store
from imgretd.control import Control
from imgretd.daemon_state import State, log_pass
from imgretd.index_jobs import Jobs
from imgretd.loaded_models import LoadedModels
from imgretd.reconciler import Reconciler
from imgretd.watched_folders import Folders
from imgretd.worker import Worker

BEGUN_SECONDS = 10.0  # that a request waits until the daemon has started to work
SLOW_SECONDS = 5.0  # after which a disk that does not respond is reported


class Threads:
    """The reconciler, the worker and the control threads. All but `_synced` and `configure` is called in the loop."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        warm: LoadedModels,
        publish: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Create the threads without starting them. `publish` sends an event to subscribers. Set `loop` before you start them."""
        self._places = places
        self.loop: asyncio.AbstractEventLoop | None = None
        self.state = State(places.index, publish)
        self.waiting: str | None = None  # why work could not begin yet
        self.refused: str | None = None  # the error of a new configuration that is not used
        self.begun = False
        self.paused: bool | None = None  # None: as stored in the index
        self.reconciler = Reconciler(
            places.index,
            settings,
            self._synced,
            self.in_loop(self.state.report_problem),
            self.in_loop(self.update_state),
        )
        self.worker = Worker(
            places,
            settings,
            warm,
            self.in_loop(self.state.progress),
            self.in_loop(self.state.report_problem),
            self.in_loop(self.update_state),
            self.reconciler.touch,
        )
        self.listener = ChangeListener(places.index, self.worker.look)
        self.folders = Folders(self.reconciler)  # its methods are called on the control thread
        self.control = Control("control")
        self.probe = Control("probe")
        self.index_control = Control("index")
        self.jobs = Jobs(self.reconciler)

    async def wait_until_begun(self) -> None:
        """Wait until the daemon is the writer of the index. Raises DaemonError if that takes too long."""
        end = time.monotonic() + BEGUN_SECONDS
        while not self.begun:
            if time.monotonic() > end:
                raise DaemonError(self.waiting or "the daemon is still starting", "Try again in a moment.")
            await asyncio.sleep(0.05)

    def pause(self, *, paused: bool) -> None:
        """Pause or resume the reconciler and the worker."""
        self.paused = paused
        self.reconciler.pause(paused=paused)
        self.worker.pause(paused=paused)

    def configure(self, settings: Settings) -> None:
        """Watch the folders of these settings. Call it on the control thread."""
        with open_store(self._places.index) as store:
            self.folders.configure(store, settings)

    def _synced(self, folder: bytes, found: SyncResult) -> None:
        """Handle a result on the reconciler's thread, so that the worker wakes up before the reconciler is idle."""
        log_pass(folder, found)
        self.jobs.synced(folder, found)
        self.worker.wake()

    def update_state(self) -> None:
        """Update the state of the daemon from its threads."""
        self.state.update(
            scanning=self.reconciler.scanning,
            idle=self.begun and self.reconciler.idle and self.worker.idle,
            waits_for=self.worker.waits_for or ("paused" if self.paused else None),
            problem=self.reconciler.problem or self.worker.problem or self.waiting or self.refused,
            slow=self.slow(),
        )

    def slow(self) -> str | None:
        """Return which disk or call has not responded for SLOW_SECONDS, or None."""
        if self.probe.busy_seconds > SLOW_SECONDS:
            return "a requested folder does not respond: its disk or network share hangs"
        if self.control.busy_seconds > SLOW_SECONDS:
            at = self.folders.at
            what = os.fsdecode(at) if at else "the index"
            return f"{what} has not responded for {self.control.busy_seconds:.0f} s"
        return None

    def in_loop(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Return a function that any thread can call to run `callback` in the event loop."""

        def schedule(*arguments: object) -> None:
            assert self.loop is not None
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(callback, *arguments)

        return schedule
