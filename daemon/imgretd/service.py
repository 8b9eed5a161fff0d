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

from imgret import __version__, diskcalls
from imgret.config import Places, Settings, load
from imgret.errors import ConfigError, DaemonError, Exit, ImgretError, UsageError
from imgret.index import work
from imgret.index.connection import Index, writer
from imgret.index.identity import Watch, renew
from imgret.limits import as_sentence, shortage
from imgret.sync import Synced
from imgretd.anew import start_anew
from imgretd.control import Control
from imgretd.folders import Folders
from imgretd.jobs import Jobs
from imgretd.methods import Answerers, methods
from imgretd.notify import handed_over, notify, watchdog_seconds
from imgretd.reconcile import Reconciler
from imgretd.serve import Server, alone, listen, remove_socket
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
CONTROL_SECONDS = 30.0  # that a request waits for a disk or for the index
SLOW_SECONDS = 5.0  # from which a disk that does not answer is reported
_HELPERS = (
    "answer",
    "control",
    "decode",
    "index",
    "probe",
    "warm",
)  # threads whose failure costs one call or question
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
        self._refused: str | None = None  # what is wrong with the configuration that was not taken
        self._timers_failed: str | None = None
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
            self._reconciler.touch,
        )
        self._folders = Folders(self._reconciler)  # its methods are called on the control thread
        self._control = Control("control")
        self._probe = Control("probe")
        self._index_control = Control("index")
        self._jobs = Jobs(self._reconciler)
        self._index_watch: Watch | None = None
        self._given: socket.socket | None = None  # the manager's socket
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
        self._given = handed_over()
        if self._given is not None:
            return self._given
        held.enter_context(alone(self._places.socket))
        listener = listen(self._places.socket)
        held.callback(_unlink, self._places.socket)
        return listener

    async def _begin(self, held: contextlib.ExitStack) -> None:
        """Become the one writer and start the threads; wait, and say so, while that cannot be."""
        while not self._begun:
            try:
                remembered = await self._control.run(lambda: self._take_hold(held))
                self._pause_threads(remembered if self._paused is None else self._paused)
                for thread in (self._reconciler, self._worker):
                    if not thread.is_alive():
                        thread.start()
            except (
                Exception
            ) as error:  # no thread, no descriptor, a mistake of ours: it is said and tried again
                self._wait_because(error)
                await asyncio.sleep(BEGIN_AGAIN_SECONDS)
                continue
            self._begun = True
        self._waiting = None
        self._look()

    def _wait_because(self, error: Exception) -> None:
        """Say why the daemon cannot begin yet, once for each reason."""
        waiting = as_sentence(error)
        if waiting != self._waiting:
            if not isinstance(error, ImgretError) and shortage(error) is None:
                log.error("The daemon could not begin", exc_info=error)
            self._state.complain(waiting)
        self._waiting = waiting
        self._look()

    def _take_hold(self, held: contextlib.ExitStack) -> bool:
        """Be the writer and watch the folders. -> whether a pause was remembered."""
        if not self._holding:
            held.enter_context(writer(self._places.index))
            self._holding = True
        with Index(self._places.index) as index:
            renew(index)
            self._index_watch = Watch(self._places.index)
            self._folders.configure(index, self._settings)
            return index.setting(_PAUSED) is not None

    async def _tick(self) -> None:
        """Timers, and the sign of life that systemd waits for: given only while every working thread gives one."""
        limit = watchdog_seconds()
        ticking: asyncio.Task[None] | None = None
        looking: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(min(TICK_SECONDS, limit / 4) if limit else TICK_SECONDS)
            if self._begun and (ticking is None or ticking.done()):
                ticking = asyncio.create_task(self._tick_folders())
            if self._begun:
                self._reconciler.tend()
            if self._begun and (looking is None or looking.done()):
                looking = asyncio.create_task(self._look_at_index())
            if max(self._control.busy_seconds, self._probe.busy_seconds) > SLOW_SECONDS:
                self._look()
            oldest = min(self._worker.heartbeat, self._reconciler.heartbeat, self._folders.heartbeat)
            alive = not self._begun or time.monotonic() - oldest < (limit or 0.0)
            if limit and alive:
                notify("WATCHDOG=1")

    async def _tick_folders(self) -> None:
        try:
            await self._control.run(self._folders.tick)
            self._timers_failed = None
        except Exception as error:  # the next tick may go well
            if as_sentence(error) != self._timers_failed:
                self._timers_failed = as_sentence(error)
                log.error("The timers failed: %s", self._timers_failed, exc_info=error)
        if self._state.slow:
            self._look()

    async def _look_at_index(self) -> None:
        """Start anew when the index was replaced or removed: what is open here is not the index any more."""
        assert self._index_watch is not None
        try:
            change = await self._index_control.run(self._index_watch.change)
        except Exception as error:  # the next look may go well
            log.error("The index could not be looked at: %s", as_sentence(error))
            return
        if change is not None:
            self._state.complain(f"{change}; starting anew with what lies there now")
            await asyncio.sleep(TICK_SECONDS / 10)  # until those who listen have been told
            start_anew(self._given)

    async def _leave(self, held: contextlib.ExitStack) -> None:
        """Finish what is in flight, within LEAVE_SECONDS; else drop it: it stays queued."""
        deadline = time.monotonic() + LEAVE_SECONDS
        self._reconciler.stop()
        self._worker.stop()
        await self._server.close(LEAVE_SECONDS / 4)
        threads = [thread for thread in (self._reconciler, self._worker) if thread.is_alive()]
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        hung = self._control.busy_seconds > 0 or not await self._answerers.close(LEAVE_SECONDS / 4)
        if hung or any(thread.is_alive() for thread in threads):
            log.warning("Left before everything in flight was done; it stays queued")
            with contextlib.suppress(Exception):
                await Control("release").run(self._release, LEAVE_SECONDS / 4)
            held.close()
            logging.shutdown()
            os._exit(
                Exit.DAEMON if self._failed else 0
            )  # a model in the middle of a batch cannot be interrupted in any other way
        await self._control.run(self._folders.stop)
        log.info("Left")

    def _release(self) -> None:
        with Index(self._places.index) as index:
            work.release(index)

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

    async def resolve(self, paths: list[bytes]) -> list[bytes]:
        """The folders at these absolute paths, their links resolved. UsageError for what is no folder."""
        return await self._probe.run(lambda: [_folder(path) for path in paths], CONTROL_SECONDS)

    async def look_at(self, paths: list[bytes]) -> int:
        """Scan these folders now, and describe what is new. -> a number for `looked`."""
        await self._has_begun()
        job = self._jobs.add(paths)
        await self._control.run(lambda: self._also(paths), CONTROL_SECONDS)
        self._look()
        return job

    def looked(self, job: int) -> dict[str, Any]:
        """How far `look_at` is, and why it may not go on."""
        problem = self._reconciler.problem or self._worker.problem or self._slow()
        return {
            **self._jobs.told(job),
            "waits_for": "paused" if self._paused else self._worker.waits_for,
            "problem": problem,
            "broken": sorted(self._worker.broken.values()),
        }

    def _also(self, paths: list[bytes]) -> None:
        with Index(self._places.index) as index:
            self._folders.also(index, paths)

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
        """Read the configuration again. ConfigError: the old one stays, and the state says so."""
        try:
            settings = await self._control.run(lambda: load(self._places.config), CONTROL_SECONDS)
        except ConfigError as error:
            self._refused = f"the configuration was not taken: {as_sentence(error)}"
            self._look()
            raise
        await self._has_begun()
        warm = self._warm
        if _models(settings) != _models(self._settings):
            warm = Warm(settings, self._places, self._load_models)
        await self._control.run(lambda: self._configure(settings), CONTROL_SECONDS)
        self._refused = None
        self._settings, self._warm = settings, warm
        self._answerers.configure(settings, warm)
        self._worker.reload(settings, warm)
        log.info("Read the configuration", extra={"fields": {"CONFIG": self._places.config}})
        self._look()

    def _configure(self, settings: Settings) -> None:
        with Index(self._places.index) as index:
            self._folders.configure(index, settings)

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
        self._jobs.synced(folder, found)
        self._worker.wake()

    def _look(self) -> None:
        """See what the threads are doing."""
        self._state.see(
            scanning=self._reconciler.scanning,
            idle=self._begun and self._reconciler.idle and self._worker.idle,
            waits_for=self._worker.waits_for or ("paused" if self._paused else None),
            problem=self._reconciler.problem or self._worker.problem or self._waiting or self._refused,
            slow=self._slow(),
        )

    def _slow(self) -> str | None:
        """What the control thread has waited for too long."""
        if self._probe.busy_seconds > SLOW_SECONDS:
            return "a folder that was asked for does not answer: its disk or network share hangs"
        if self._control.busy_seconds > SLOW_SECONDS:
            at = self._folders.at
            what = os.fsdecode(at) if at else "the index"
            return f"{what} has not answered for {self._control.busy_seconds:.0f} s"
        return None

    def _hung_up(self) -> None:
        """SIGHUP: read the configuration again; one that breaks is said, and changes nothing."""

        async def reload() -> None:
            try:
                await self.reload()
            except Exception as error:
                log.error("The configuration stays as it was: %s", as_sentence(error))

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
        if not name.startswith(_HELPERS):
            self._failed = f"the thread {name!r} broke"
            self._in_loop(self._left.set)()


def _models(settings: Settings) -> tuple[object, ...]:
    """What of the settings the models in memory depend on."""
    return settings.device, settings.caption, settings.detect, settings.topics, settings.embed


def _folder(path: bytes) -> bytes:
    return diskcalls.call(path, lambda: _resolved(path))


def _resolved(path: bytes) -> bytes:
    if not os.path.isdir(path):
        raise UsageError(f"{os.fsdecode(path)} is not a folder")
    return os.path.realpath(path)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError, DaemonError):  # somebody may have put something else there
        remove_socket(path)
