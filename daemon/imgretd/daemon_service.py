"""The daemon's life: what is started, in which order, what wakes it, and how it leaves.

One asyncio loop serves the socket and the signals; threads watch, reconcile and describe. They report to the
loop, which informs subscribers. Whatever fails, the socket stays available.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

from imgret.config import Places, Settings
from imgret.errors import DaemonError, Exit, ImgretError
from imgret.limits import as_sentence, shortage
from imgret.store.factory import open_store, watch_file, writer_lock
from imgret.store.interface import FileWatch
from imgretd.control import Control
from imgretd.folder_requests import FolderRequests
from imgretd.listen import alone, listen, remove_socket
from imgretd.loaded_models import LoadedModels
from imgretd.methods import methods
from imgretd.notify import handed_over, notify, watchdog_seconds
from imgretd.operations import PAUSED, Operations
from imgretd.re_exec import restart
from imgretd.search_threads import SearchThreads
from imgretd.serve import Server
from imgretd.threads import Threads

if TYPE_CHECKING:
    from imgretd.loaded_models import Load

log = logging.getLogger(__name__)

LEAVE_SECONDS = 4.0  # of the 5 that a user waits for
TICK_SECONDS = 1.0
BEGIN_AGAIN_SECONDS = 2.0  # while another process writes, or the index cannot be
_HELPERS = (
    "answer",
    "control",
    "decode",
    "index",
    "probe",
    "warm",
)  # threads whose failure costs one call or question


class Service:
    """One daemon. `run` returns when it was asked to stop."""

    def __init__(self, places: Places, settings: Settings, load_models: Load) -> None:
        self._places = places
        self._settings = settings
        warm = LoadedModels(settings, places, load_models)
        self._left = asyncio.Event()
        self._answerers = SearchThreads(settings, places, warm)
        self.threads = Threads(places, settings, warm, lambda name, data: self._server.publish(name, data))
        self.operations = Operations(
            places, settings, load_models, warm, self.threads, self._answerers, self.leave
        )
        folders = FolderRequests(places, self.threads)
        self._server = Server(
            methods(self.operations, folders, self._answerers, places), self.threads.state.event
        )
        self._failed: str | None = None
        self._timers_failed: str | None = None
        self._holding = False  # the writer's lock
        self._index_watch: FileWatch | None = None
        self._given: socket.socket | None = None  # the manager's socket

    async def run(self) -> None:
        """Serve until asked to stop. Raises DaemonError when another daemon is there, or a thread broke."""
        self.threads.loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as held:
            listener = self._listener(held)
            threading.excepthook = self._thread_broke
            for number in (signal.SIGTERM, signal.SIGINT):
                self.threads.loop.add_signal_handler(number, self.leave)
            self.threads.loop.add_signal_handler(signal.SIGHUP, self._hung_up)
            await self._server.start(listener)
            notify("READY=1", "STATUS=Starting")
            log.info("Listening", extra={"fields": {"SOCKET": self._places.socket}})
            tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._begin(held))]
            await self._left.wait()
            notify("STOPPING=1", "STATUS=Leaving")
            for task in tasks:
                task.cancel()
            await self._leave(held)
        if self._failed is not None:
            raise DaemonError(self._failed, "Its log says more; nothing that was committed is lost.")

    def _listener(self, held: contextlib.ExitStack) -> socket.socket:
        self._given = handed_over()
        if self._given is not None:
            return self._given
        held.enter_context(alone(self._places.socket))
        listener = listen(self._places.socket)
        held.callback(_unlink, self._places.socket)
        return listener

    async def _begin(self, held: contextlib.ExitStack) -> None:
        """Become the one writer and start the threads; wait, and say so, while that cannot be."""
        while not self.threads.begun:
            try:
                remembered = await self.threads.control.run(lambda: self._take_hold(held))
                self.threads.pause(paused=remembered if self.threads.paused is None else self.threads.paused)
                for thread in (self.threads.reconciler, self.threads.worker):
                    if not thread.is_alive():
                        thread.start()
            except (
                Exception
            ) as error:  # no thread, no descriptor, a mistake of ours: it is said and tried again
                self._wait_because(error)
                await asyncio.sleep(BEGIN_AGAIN_SECONDS)
                continue
            self.threads.begun = True
        self.threads.waiting = None
        self.threads.update_state()

    def _wait_because(self, error: Exception) -> None:
        """Say why the daemon cannot begin yet, once for each reason."""
        waiting = as_sentence(error)
        if waiting != self.threads.waiting:
            if not isinstance(error, ImgretError) and shortage(error) is None:
                log.error("The daemon could not begin", exc_info=error)
            self.threads.state.report_problem(waiting)
        self.threads.waiting = waiting
        self.threads.update_state()

    def _take_hold(self, held: contextlib.ExitStack) -> bool:
        """Be the writer and watch the folders. -> whether a pause was remembered."""
        if not self._holding:
            held.enter_context(writer_lock(self._places.index))
            self._holding = True
        with open_store(self._places.index) as store:
            store.renew_identity()
            self._index_watch = watch_file(self._places.index)
            self.threads.folders.configure(store, self._settings)
            return store.setting(PAUSED) is not None

    async def _tick(self) -> None:
        """Timers, and the sign of life that systemd waits for: given only while every working thread gives one."""
        limit = watchdog_seconds()
        ticking: asyncio.Task[None] | None = None
        looking: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(min(TICK_SECONDS, limit / 4) if limit else TICK_SECONDS)
            if self.threads.begun and (ticking is None or ticking.done()):
                ticking = asyncio.create_task(self._tick_folders())
            if self.threads.begun:
                self.threads.reconciler.start_missing_threads()
            if self.threads.begun and (looking is None or looking.done()):
                looking = asyncio.create_task(self._look_at_index())
            if self.threads.slow() is not None:
                self.threads.update_state()
            oldest = min(
                self.threads.worker.heartbeat,
                self.threads.reconciler.heartbeat,
                self.threads.folders.heartbeat,
            )
            alive = not self.threads.begun or time.monotonic() - oldest < (limit or 0.0)
            if limit and alive:
                notify("WATCHDOG=1")

    async def _tick_folders(self) -> None:
        try:
            await self.threads.control.run(self.threads.folders.tick)
            self._timers_failed = None
        except Exception as error:  # the next tick may go well
            if as_sentence(error) != self._timers_failed:
                self._timers_failed = as_sentence(error)
                log.error("The timers failed: %s", self._timers_failed, exc_info=error)
        if self.threads.state.slow:
            self.threads.update_state()

    async def _look_at_index(self) -> None:
        """Restart when the index was replaced or removed, because the open file is no longer the index."""
        assert self._index_watch is not None
        try:
            change = await self.threads.index_control.run(self._index_watch.change)
        except Exception as error:  # the next look may go well
            log.error("The index file could not be checked: %s", as_sentence(error))
            return
        if change is not None:
            self.threads.state.report_problem(
                f"{change}; the daemon restarts with the file that is there now"
            )
            await asyncio.sleep(TICK_SECONDS / 10)  # until subscribers have been informed
            restart(self._given)

    async def _leave(self, held: contextlib.ExitStack) -> None:
        """Finish what is in flight, within LEAVE_SECONDS; else drop it: it stays queued."""
        deadline = time.monotonic() + LEAVE_SECONDS
        self.threads.reconciler.stop()
        self.threads.worker.stop()
        await self._server.close(LEAVE_SECONDS / 4)
        threads = [thread for thread in (self.threads.reconciler, self.threads.worker) if thread.is_alive()]
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        hung = self.threads.control.busy_seconds > 0 or not await self._answerers.close(LEAVE_SECONDS / 4)
        if hung or any(thread.is_alive() for thread in threads):
            log.warning("Left before everything in flight was done; it stays queued")
            with contextlib.suppress(Exception):
                await Control("release").run(self._release, LEAVE_SECONDS / 4)
            held.close()
            logging.shutdown()
            os._exit(
                Exit.DAEMON if self._failed else 0
            )  # a model in the middle of a batch cannot be interrupted in any other way
        await self.threads.control.run(self.threads.folders.stop)
        log.info("Left")

    def _release(self) -> None:
        with open_store(self._places.index) as store:
            store.work.release()

    def leave(self) -> None:
        """End the daemon, after this answer."""
        self._left.set()

    def _hung_up(self) -> None:
        """SIGHUP: read the configuration again; one that breaks is said, and changes nothing."""

        async def reload() -> None:
            try:
                await self.operations.reload()
            except Exception as error:
                log.error("The configuration stays as it was: %s", as_sentence(error))

        self._reloading = asyncio.ensure_future(reload())  # the loop itself keeps no reference

    def _thread_broke(self, broke: threading.ExceptHookArgs) -> None:
        """A mistake of ours in a thread: leave with an error, so that the manager starts us afresh."""
        name = broke.thread.name if broke.thread else "?"
        if broke.exc_value is not None:
            trace = (broke.exc_type, broke.exc_value, broke.exc_traceback)
            log.critical("The thread %r broke", name, exc_info=trace)
        if not name.startswith(_HELPERS):
            self._failed = f"the thread {name!r} broke"
            self.threads.in_loop(self._left.set)()


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError, DaemonError):  # somebody may have put something else there
        remove_socket(path)
