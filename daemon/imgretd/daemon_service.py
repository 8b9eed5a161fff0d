"""Starts, runs and stops the parts of the daemon.

One asyncio loop serves the socket and handles the signals. A few threads reconcile, one describes, and the threads of
watchdog watch folders. They report events to the loop, which publishes them to subscribers. The socket responds even
while another part has failed.
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
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

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

LEAVE_SECONDS = 4.0  # less than the 5 s within which the daemon must end
SAVED_AT_END = 128 << 20  # bytes of codes that are saved when the daemon ends: they take less than a second
TICK_SECONDS = 1.0
BEGIN_AGAIN_SECONDS = 2.0  # between attempts while another process is the writer, or there is no index
# Names of threads whose failure affects only one call or search.
_HELPERS = ("answer", "control", "decode", "index", "listen", "probe", "warm")


class Service:
    """The daemon. `run` returns after `leave` is called."""

    def __init__(self, places: Places, settings: Settings, load_models: Load) -> None:
        self._places = places
        self._settings = settings
        warm = LoadedModels(settings, places, load_models)
        self._left = asyncio.Event()
        self._search_threads = SearchThreads(settings, places, warm)
        self.threads = Threads(places, settings, warm, lambda name, data: self._server.publish(name, data))
        self.operations = Operations(
            places, settings, load_models, warm, self.threads, self._search_threads, self.leave
        )
        self.threads.worker.codes_saver.save = self._search_threads.save_codes
        folders = FolderRequests(places, self.threads)
        self._server = Server(
            methods(self.operations, folders, self._search_threads, places), self.threads.state.event
        )
        self._failed: str | None = None
        self._timers_failed: str | None = None
        self._holding = False  # whether it has the writer lock
        self._index_watch: FileWatch | None = None
        self._given: socket.socket | None = None  # the socket passed by systemd

    async def run(self) -> None:
        """Serve until `leave` is called. Raises DaemonError if another daemon is running, or a thread failed."""
        self.threads.loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as held:
            listener = self._listener(held)
            threading.excepthook = self._on_thread_failure
            for number in (signal.SIGTERM, signal.SIGINT):
                self.threads.loop.add_signal_handler(number, self.leave)
            self.threads.loop.add_signal_handler(signal.SIGHUP, self._hung_up)
            await self._server.start(listener)
            notify("READY=1", "STATUS=Starting")
            log.info("Listening", extra={"fields": {"SOCKET": self._places.socket}})
            tasks = [self._task(self._tick()), self._task(self._begin(held))]
            await self._left.wait()
            notify("STOPPING=1", "STATUS=Leaving")
            for task in tasks:
                task.cancel()
            await self._leave(held)
        if self._failed is not None:
            raise DaemonError(self._failed, "See its log. Committed data is not lost.")

    def _listener(self, held: contextlib.ExitStack) -> socket.socket:
        self._given = handed_over()
        if self._given is not None:
            return self._given
        held.enter_context(alone(self._places.socket))
        listener = listen(self._places.socket)
        held.callback(_unlink, self._places.socket)
        return listener

    async def _begin(self, held: contextlib.ExitStack) -> None:
        """Become the only writer and start the threads; report it and retry while that is impossible."""
        while not self.threads.begun:
            try:
                remembered = await self.threads.control.run(lambda: self._become_writer(held))
                self.threads.pause(paused=remembered if self.threads.paused is None else self.threads.paused)
                for thread in (self.threads.reconciler, self.threads.worker, self.threads.listener):
                    if not thread.is_alive():
                        thread.start()
            except Exception as error:  # a lack of threads or descriptors, or a bug: reported, and retried
                self._wait_because(error)
                await asyncio.sleep(BEGIN_AGAIN_SECONDS)
                continue
            self.threads.begun = True
        self.threads.waiting = None
        self.threads.update_state()

    def _wait_because(self, error: Exception) -> None:
        """Report why the daemon cannot start its work yet, once for each reason."""
        waiting = as_sentence(error)
        if waiting != self.threads.waiting:
            if not isinstance(error, ImgretError) and shortage(error) is None:
                log.error("The daemon could not start its work", exc_info=error)
            self.threads.state.report_problem(waiting)
        self.threads.waiting = waiting
        self.threads.update_state()

    def _become_writer(self, held: contextlib.ExitStack) -> bool:
        """Take the writer lock and watch the folders. Return whether the index remembers a pause."""
        if not self._holding:
            held.enter_context(writer_lock(self._places.index))
            self._holding = True
        with open_store(self._places.index) as store:
            store.renew_identity()
            self._index_watch = watch_file(self._places.index)
            self.threads.folders.configure(store, self._settings)
            return store.setting(PAUSED) is not None

    async def _tick(self) -> None:
        """Run the timers, and notify the watchdog of systemd while the heartbeats of all threads are recent."""
        limit = watchdog_seconds()
        ticking: asyncio.Task[None] | None = None
        checking: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(min(TICK_SECONDS, limit / 4) if limit else TICK_SECONDS)
            if self.threads.begun and (ticking is None or ticking.done()):
                ticking = self._task(self._tick_folders())
            if self.threads.begun:
                self.threads.reconciler.start_missing_threads()
            if self.threads.begun and (checking is None or checking.done()):
                checking = self._task(self._check_index_file())
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
        except Exception as error:  # the next tick may succeed
            if as_sentence(error) != self._timers_failed:
                self._timers_failed = as_sentence(error)
                log.error("The timers failed: %s", self._timers_failed, exc_info=error)
        if self.threads.state.slow:
            self.threads.update_state()

    async def _check_index_file(self) -> None:
        """Restart if the index file was replaced or removed, because the open file is no longer the index."""
        assert self._index_watch is not None
        try:
            change = await self.threads.index_control.run(self._index_watch.change)
        except Exception as error:  # the next check may succeed
            log.error("The index file could not be checked: %s", as_sentence(error))
            return
        if change is not None:
            self.threads.state.report_problem(
                f"{change}; the daemon restarts with the file that is there now"
            )
            await asyncio.sleep(TICK_SECONDS / 10)  # until the subscribers have received the message
            restart(self._given)

    async def _leave(self, held: contextlib.ExitStack) -> None:
        """Finish the work in flight within LEAVE_SECONDS; what is not finished by then stays queued."""
        deadline = time.monotonic() + LEAVE_SECONDS
        self.threads.reconciler.stop()
        self.threads.worker.stop()
        self.threads.listener.stop()
        await self._server.close(LEAVE_SECONDS / 4)
        threads = [thread for thread in (self.threads.reconciler, self.threads.worker) if thread.is_alive()]
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        hung = self.threads.control.busy_seconds > 0 or not await self._search_threads.close(
            LEAVE_SECONDS / 4
        )
        if hung or any(thread.is_alive() for thread in threads):
            log.warning("Stopped before all work in flight was done; it stays queued")
            with contextlib.suppress(Exception):
                await Control("release").run(self._release, LEAVE_SECONDS / 4)
            held.close()
            logging.shutdown()
            # A model in the middle of a batch cannot be interrupted in any other way.
            os._exit(Exit.DAEMON if self._failed else 0)
        await self.threads.control.run(self.threads.folders.stop)
        if self.threads.begun:
            with contextlib.suppress(Exception):  # they can be computed again
                await self.threads.control.run(lambda: self._save_codes(deadline))
        log.info("Stopped")

    def _save_codes(self, deadline: float) -> None:
        with open_store(self._places.index, create=False) as store:
            self._search_threads.save_codes(store, lambda: time.monotonic() > deadline, SAVED_AT_END)

    def _release(self) -> None:
        with open_store(self._places.index) as store:
            store.work.release()

    def leave(self) -> None:
        """Stop the daemon after the current request."""
        self._left.set()

    def _hung_up(self) -> None:
        """Handle SIGHUP: reload the configuration. An invalid one is reported and not used."""

        async def reload() -> None:
            try:
                await self.operations.reload()
            except Exception as error:
                log.error("The configuration stays as it was: %s", as_sentence(error))

        self._reloading = asyncio.ensure_future(reload())  # kept: the loop has only a weak reference

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        """Stop with an error after a bug in a task of the loop: without its timers, the daemon would do nothing."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.critical("A task of the daemon failed", exc_info=error)
            self._failed = f"one of its tasks failed: {as_sentence(error)}"
            self._left.set()

    def _on_thread_failure(self, failure: threading.ExceptHookArgs) -> None:
        """Stop with an error after a bug in a thread, so that systemd restarts the daemon."""
        name = failure.thread.name if failure.thread else "?"
        if failure.exc_value is not None:
            trace = (failure.exc_type, failure.exc_value, failure.exc_traceback)
            log.critical("The thread %r failed", name, exc_info=trace)
        if not name.startswith(_HELPERS):
            self._failed = f"the thread {name!r} failed"
            self.threads.in_loop(self._left.set)()


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError, DaemonError):  # the path may be another file by now
        remove_socket(path)
