"""What the socket may do to the daemon: tell its state, look at folders, pause, reload, leave."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgret import __version__, disk_calls
from imgret.config import Places, Settings, load
from imgret.errors import ConfigError, DaemonError, UsageError
from imgret.limits import as_sentence
from imgret.stages import registry
from imgret.store.factory import open_store
from imgretd.loaded_models import LoadedModels
from imgretd.methods import Answerers
from imgretd.threads import Threads

if TYPE_CHECKING:
    from imgretd.loaded_models import Load

log = logging.getLogger(__name__)

BEGUN_SECONDS = 10.0  # that a request waits for the start
CONTROL_SECONDS = 30.0  # that a request waits for a disk or for the index
PAUSED = "paused"  # the setting in the index
_TOLD_TROUBLES = 100  # sentences about folders, to `imgret status`


class Operations:
    """See `imgretd.methods.Controls`. Called in the loop."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        load_models: Load,
        warm: LoadedModels,
        threads: Threads,
        answerers: Answerers,
        leave: Callable[[], None],
    ) -> None:
        self._places = places
        self._settings = settings
        self._load_models = load_models
        self._warm = warm
        self._threads = threads
        self._answerers = answerers
        self._leave = leave

    def state(self) -> dict[str, Any]:
        """What the daemon does now, for `imgret status`."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            **self._threads.state.told(),
            "paused": bool(self._threads.paused),
            "dirty": not self._threads.reconciler.idle,
            "loaded": self._warm.loaded,
            "unwatched": self._threads.folders.unwatched,
            "unwatchable": self._threads.folders.unwatchable,
            "troubled": self._threads.reconciler.troubled[:_TOLD_TROUBLES],
            "silent": [os.fsdecode(disk) for disk in self._threads.folders.silent],
            "watching": len(self._threads.folders),
        }

    async def resolve(self, paths: list[bytes]) -> list[bytes]:
        """The folders at these absolute paths, their links resolved. UsageError for what is no folder."""
        return await self._threads.probe.run(lambda: [_folder(path) for path in paths], CONTROL_SECONDS)

    async def look_at(self, paths: list[bytes]) -> int:
        """Scan these folders now, and describe what is new. -> a number for `looked`."""
        await self._has_begun()
        job = self._threads.jobs.add(paths)
        await self._threads.control.run(lambda: self._also(paths), CONTROL_SECONDS)
        self._threads.look()
        return job

    def looked(self, job: int) -> dict[str, Any]:
        """How far `look_at` is, and why it may not go on."""
        problem = self._threads.reconciler.problem or self._threads.worker.problem or self._threads.slow()
        return {
            **self._threads.jobs.told(job),
            "waits_for": "paused" if self._threads.paused else self._threads.worker.waits_for,
            "problem": problem,
            "broken": sorted(self._threads.worker.broken.values()),
        }

    def _also(self, paths: list[bytes]) -> None:
        with open_store(self._places.index) as store:
            self._threads.folders.also(store, paths)

    def wake(self) -> None:
        """Something was queued."""
        self._threads.reconciler.retry()
        self._threads.worker.wake()

    async def pause(self, *, paused: bool) -> None:
        """Work no more for now, or go on; remembered over a restart."""
        self._threads.pause(paused=paused)
        await self._answerers.run(lambda each: each.store.remember(PAUSED, "yes" if paused else None))
        self._threads.look()

    async def reload(self) -> None:
        """Read the configuration again. ConfigError: the old one stays, and the state says so."""
        try:
            settings = await self._threads.control.run(lambda: load(self._places.config), CONTROL_SECONDS)
        except ConfigError as error:
            self._threads.refused = f"the configuration was not taken: {as_sentence(error)}"
            self._threads.look()
            raise
        await self._has_begun()
        warm = self._warm
        if _models(settings) != _models(self._settings):
            warm = LoadedModels(settings, self._places, self._load_models)
        await self._threads.control.run(lambda: self._threads.configure(settings), CONTROL_SECONDS)
        self._threads.refused = None
        self._settings, self._warm = settings, warm
        self._answerers.configure(settings, warm)
        self._threads.worker.reload(settings, warm)
        log.info("Read the configuration", extra={"fields": {"CONFIG": self._places.config}})
        self._threads.look()

    def leave(self) -> None:
        """End the daemon, after this answer."""
        self._leave()

    async def _has_begun(self) -> None:
        """DaemonError when it cannot begin, say since another process writes to the index."""
        end = time.monotonic() + BEGUN_SECONDS
        while not self._threads.begun:
            if time.monotonic() > end:
                raise DaemonError(
                    self._threads.waiting or "the daemon is still starting", "Ask again in a moment."
                )
            await asyncio.sleep(0.05)


def _models(settings: Settings) -> tuple[object, ...]:
    """What of the settings the models in memory depend on."""
    return settings.device, *(settings.of(stage) for stage in registry.installed().names)


def _folder(path: bytes) -> bytes:
    return disk_calls.call(path, lambda: _resolved(path))


def _resolved(path: bytes) -> bytes:
    if not os.path.isdir(path):
        raise UsageError(f"{os.fsdecode(path)} is not a folder")
    return os.path.realpath(path)
