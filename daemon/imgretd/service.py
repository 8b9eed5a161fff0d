"""The daemon's life: what is started, in which order, what wakes it, and how it leaves.

One asyncio loop answers the socket and the signals; one thread reconciles, one describes, watchdog's own
watch. They tell the loop, which tells who subscribed. Whatever fails, the socket answers.
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
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgret import __version__
from imgret.config import Places, Settings, load
from imgret.errors import DaemonError, ImgretError
from imgret.index import work
from imgret.index.connection import Index, writer
from imgret.sync import Synced
from imgretd.folders import Folders
from imgretd.methods import Answerers, methods
from imgretd.notify import handed_over, notify, watchdog_seconds
from imgretd.reconcile import Reconciler
from imgretd.serve import Server, alone, listen
from imgretd.state import State, log_pass
from imgretd.warm import Warm
from imgretd.worker import Worker

if TYPE_CHECKING:
    from imgretd.warm import Load

log = logging.getLogger(__name__)

LEAVE_SECONDS = 4.0  # of the 5 that a user waits for
TICK_SECONDS = 1.0
BEGUN_SECONDS = 10.0  # that a request waits for the start
BEGIN_AGAIN_SECONDS = 2.0  # while another process writes, or the index cannot be
_TOLD_TROUBLES = 100  # sentences about folders, to `imgret status`
_PAUSED = "paused"  # the setting in the index


class Service:
    """One daemon. `run` returns when it was told to leave."""

    def __init__(self, places: Places, settings: Settings, load_models: Load) -> None:
        self._places = places
        self._settings = settings
        self._load_models = load_models
        self._warm = Warm(settings, places, load_models)
        self._answerers = Answerers(settings, places, self._warm)
        self._state = State(places.index, lambda name, data: self._server.publish(name, data))
        self._server = Server(methods(self, self._answerers, places), self._state.event)
        self._left = asyncio.Event()
        self._waiting: str | None = None  # why it could not begin yet
        self._failed: str | None = None
        self._holding = False  # the writer's lock
        self._begun = False
        self._paused: bool | None = None  # None: as it was remembered
        self._reconciler = Reconciler(
            places.index,
            settings,
            self._synced,
            self._in_loop(self._state.complain),
            self._in_loop(self._look),
        )
        self._worker = Worker(
            places,
            settings,
            self._warm,
            self._in_loop(self._state.progress),
            self._in_loop(self._state.complain),
            self._in_loop(self._look),
        )
        self._folders = Folders(self._reconciler)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Serve until told to leave. Raises DaemonError when another daemon is there, or a thread broke."""
        self._loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as held:
            listener = self._listener(held)
            threading.excepthook = self._thread_broke
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self.leave)
            self._loop.add_signal_handler(signal.SIGHUP, self._hung_up)
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
        given = handed_over()
        if given is not None:
            return given
        held.enter_context(alone(self._places.socket))
        listener = listen(self._places.socket)
        held.callback(_unlink, self._places.socket)
        return listener

    async def _begin(self, held: contextlib.ExitStack) -> None:
        """Become the one writer and start the threads; wait, and say so, while that cannot be."""
        while not self._begun:
            try:
                remembered = await asyncio.to_thread(self._take_hold, held)
            except ImgretError as error:
                self._waiting = f"{error}. {error.hint}".strip()
                if self._state.problem != self._waiting:
                    self._state.complain(self._waiting)
                self._look()
                await asyncio.sleep(BEGIN_AGAIN_SECONDS)
                continue
            self._pause_threads(remembered if self._paused is None else self._paused)
            self._reconciler.start()
            self._worker.start()
            self._begun = True
        self._waiting = None
        self._look()

    def _take_hold(self, held: contextlib.ExitStack) -> bool:
        """Be the writer and watch the folders. -> whether a pause was remembered."""
        if not self._holding:
            held.enter_context(writer(self._places.index))
            self._holding = True
        with Index(self._places.index) as index:
            self._folders.configure(index, self._settings)
            return index.setting(_PAUSED) is not None

    async def _tick(self) -> None:
        """Timers, and the sign of life that systemd waits for: given only while every working thread gives one."""
        limit = watchdog_seconds()
        while True:
            await asyncio.sleep(min(TICK_SECONDS, limit / 4) if limit else TICK_SECONDS)
            if self._begun:
                self._reconciler.tend()
                self._folders.tick()
            oldest = min(self._worker.heartbeat, self._reconciler.heartbeat, self._folders.heartbeat)
            alive = not self._begun or time.monotonic() - oldest < (limit or 0.0)
            if limit and alive:
                notify("WATCHDOG=1")

    async def _leave(self, held: contextlib.ExitStack) -> None:
        """Finish what is in flight, within LEAVE_SECONDS; else drop it: it stays queued."""
        deadline = time.monotonic() + LEAVE_SECONDS
        self._reconciler.stop()
        self._worker.stop()
        await self._server.close(LEAVE_SECONDS / 4)
        threads = [thread for thread in (self._reconciler, self._worker) if thread.is_alive()]
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if any(thread.is_alive() for thread in threads):
            log.warning("Left before the batch in flight was done; it stays queued")
            with contextlib.suppress(ImgretError), Index(self._places.index) as index:
                work.release(index)
            held.close()
            logging.shutdown()
            os._exit(0)  # a model in the middle of a batch cannot be interrupted in any other way
        self._folders.stop()
        self._answerers.close()
        log.info("Left")

    # What the socket may do (imgretd.methods.Controls)

    def state(self) -> dict[str, Any]:
        """What the daemon does now, for `imgret status`."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            **self._state.told(),
            "paused": bool(self._paused),
            "dirty": not self._reconciler.idle,
            "loaded": self._warm.loaded,
            "unwatched": self._folders.unwatched,
            "unwatchable": self._folders.unwatchable,
            "troubled": self._reconciler.troubled[:_TOLD_TROUBLES],
            "silent": [os.fsdecode(disk) for disk in self._folders.silent],
            "watching": len(self._folders),
        }

    async def look_at(self, paths: list[bytes]) -> None:
        """Scan these folders now, and describe what is new."""
        await self._has_begun()
        with Index(self._places.index) as index:
            self._folders.also(index, paths)
        self._look()

    def wake(self) -> None:
        """Something was queued."""
        self._reconciler.retry()
        self._worker.wake()

    async def pause(self, *, paused: bool) -> None:
        """Work no more for now, or go on; remembered over a restart."""
        self._pause_threads(paused)
        await self._answerers.run(lambda each: each.index.remember(_PAUSED, "yes" if paused else None))
        self._look()

    def _pause_threads(self, paused: bool) -> None:  # noqa: FBT001
        self._paused = paused
        self._reconciler.pause(paused=paused)
        self._worker.pause(paused=paused)

    async def reload(self) -> None:
        """Read the configuration again. ConfigError: the old one stays."""
        settings = load(self._places.config)
        await self._has_begun()
        warm = self._warm
        if _models(settings) != _models(self._settings):
            warm = Warm(settings, self._places, self._load_models)
        with Index(self._places.index) as index:
            self._folders.configure(index, settings)
        self._settings, self._warm = settings, warm
        self._answerers.configure(settings, warm)
        self._worker.reload(settings, warm)
        log.info("Read the configuration", extra={"fields": {"CONFIG": self._places.config}})
        self._look()

    def leave(self) -> None:
        """End the daemon, after this answer."""
        self._left.set()

    async def _has_begun(self) -> None:
        """DaemonError when it cannot begin, say since another process writes to the index."""
        end = time.monotonic() + BEGUN_SECONDS
        while not self._begun:
            if time.monotonic() > end:
                raise DaemonError(self._waiting or "the daemon is still starting", "Ask again in a moment.")
            await asyncio.sleep(0.05)

    # What the threads tell, in the loop

    def _synced(self, folder: bytes, found: Synced) -> None:
        """On the reconciler's thread: the worker must know before the reconciler is idle."""
        log_pass(folder, found)
        self._worker.wake()

    def _look(self) -> None:
        """See what the threads are doing."""
        self._state.see(
            scanning=self._reconciler.scanning,
            idle=self._begun and self._reconciler.idle and self._worker.idle,
            waits_for=self._worker.waits_for or ("paused" if self._paused else None),
            problem=self._reconciler.problem or self._worker.problem or self._waiting,
        )

    def _hung_up(self) -> None:
        """SIGHUP: read the configuration again; one that breaks is said, and changes nothing."""

        async def reload() -> None:
            try:
                await self.reload()
            except ImgretError as error:
                self._state.complain(f"The configuration stays as it was: {error}. {error.hint}".strip())

        self._reloading = asyncio.ensure_future(reload())  # the loop itself keeps no reference

    def _in_loop(self, told: Callable[..., None]) -> Callable[..., None]:
        """The same for any thread: it is called in the loop."""

        def tell(*arguments: object) -> None:
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(told, *arguments)

        return tell

    def _thread_broke(self, broke: threading.ExceptHookArgs) -> None:
        """A mistake of ours in a thread: leave with an error, so that the manager starts us afresh."""
        name = broke.thread.name if broke.thread else "?"
        if broke.exc_value is not None:
            trace = (broke.exc_type, broke.exc_value, broke.exc_traceback)
            log.critical("The thread %r broke", name, exc_info=trace)
        self._failed = f"the thread {name!r} broke"
        self._in_loop(self._left.set)()


def _models(settings: Settings) -> tuple[object, ...]:
    """What of the settings the models in memory depend on."""
    return settings.device, settings.caption, settings.detect, settings.topics, settings.embed


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
