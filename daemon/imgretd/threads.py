"""The threads that work, and what they tell the event loop: one place knows what the daemon is doing.

The reconciler and the worker call back on their own threads; here that becomes calls in the loop, and from
all of it `look` makes the state that `imgret status` and the subscribers are told.
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
from imgret.store.factory import open_store
from imgretd.control import Control
from imgretd.daemon_state import State, log_pass
from imgretd.index_jobs import Jobs
from imgretd.loaded_models import LoadedModels
from imgretd.reconciler import Reconciler
from imgretd.watched_folders import Folders
from imgretd.worker import Worker

BEGUN_SECONDS = 10.0  # that a request waits until the daemon has started to work
SLOW_SECONDS = 5.0  # from which a disk that does not answer is reported


class Threads:
    """The reconciler, the worker and the control threads. All but `_synced` is called in the loop."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        warm: LoadedModels,
        publish: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Nothing is started yet. `publish` tells subscribers an event; `loop` is to be set before the start."""
        self._places = places
        self.loop: asyncio.AbstractEventLoop | None = None
        self.state = State(places.index, publish)
        self.waiting: str | None = None  # why it could not begin yet
        self.refused: str | None = None  # what is wrong with the configuration that was not taken
        self.begun = False
        self.paused: bool | None = None  # None: as it was remembered
        self.reconciler = Reconciler(
            places.index,
            settings,
            self._synced,
            self.in_loop(self.state.complain),
            self.in_loop(self.look),
        )
        self.worker = Worker(
            places,
            settings,
            warm,
            self.in_loop(self.state.progress),
            self.in_loop(self.state.complain),
            self.in_loop(self.look),
            self.reconciler.touch,
        )
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
                raise DaemonError(self.waiting or "the daemon is still starting", "Ask again in a moment.")
            await asyncio.sleep(0.05)

    def pause(self, *, paused: bool) -> None:
        """Work no more for now, or go on."""
        self.paused = paused
        self.reconciler.pause(paused=paused)
        self.worker.pause(paused=paused)

    def configure(self, settings: Settings) -> None:
        """Watch the folders of these settings. On the control thread."""
        with open_store(self._places.index) as store:
            self.folders.configure(store, settings)

    def _synced(self, folder: bytes, found: SyncResult) -> None:
        """On the reconciler's thread: the worker must know before the reconciler is idle."""
        log_pass(folder, found)
        self.jobs.synced(folder, found)
        self.worker.wake()

    def look(self) -> None:
        """See what the threads are doing."""
        self.state.see(
            scanning=self.reconciler.scanning,
            idle=self.begun and self.reconciler.idle and self.worker.idle,
            waits_for=self.worker.waits_for or ("paused" if self.paused else None),
            problem=self.reconciler.problem or self.worker.problem or self.waiting or self.refused,
            slow=self.slow(),
        )

    def slow(self) -> str | None:
        """What the control thread has waited for too long."""
        if self.probe.busy_seconds > SLOW_SECONDS:
            return "a folder that was asked for does not answer: its disk or network share hangs"
        if self.control.busy_seconds > SLOW_SECONDS:
            at = self.folders.at
            what = os.fsdecode(at) if at else "the index"
            return f"{what} has not answered for {self.control.busy_seconds:.0f} s"
        return None

    def in_loop(self, told: Callable[..., None]) -> Callable[..., None]:
        """The same for any thread: it is called in the loop."""

        def tell(*arguments: object) -> None:
            assert self.loop is not None
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self.loop.call_soon_threadsafe(told, *arguments)

        return tell
