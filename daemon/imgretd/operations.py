"""Requests that change what the daemon does: pause, resume, reload the configuration, stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgret.config import Places, Settings, load, places
from imgret.errors import ConfigError
from imgret.limits import as_sentence
from imgret.stages import registry
from imgretd.control import CONTROL_SECONDS
from imgretd.loaded_models import LoadedModels
from imgretd.search_threads import SearchThreads
from imgretd.status_report import status_report
from imgretd.threads import Threads

if TYPE_CHECKING:
    from imgretd.loaded_models import Load

log = logging.getLogger(__name__)

PAUSED = "paused"  # the setting in the index


class Operations:
    """The operations behind the control methods. Called in the event loop."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        load_models: Load,
        warm: LoadedModels,
        threads: Threads,
        search_threads: SearchThreads,
        leave: Callable[[], None],
    ) -> None:
        self._places = places
        self._settings = settings
        self._load_models = load_models
        self._warm = warm
        self._threads = threads
        self._search_threads = search_threads
        self._leave = leave

    def state(self) -> dict[str, Any]:
        """Return what the daemon is doing, for `imgret status`."""
        return status_report(self._threads, self._warm)

    def wake(self) -> None:
        """Check for work now, because something was queued."""
        self._threads.reconciler.retry()
        self._threads.worker.wake()

    async def pause(self, *, paused: bool) -> None:
        """Pause or resume scanning and describing; the index keeps this over a restart."""
        self._threads.pause(paused=paused)
        await self._search_threads.run(lambda each: each.store.remember(PAUSED, "yes" if paused else None))
        self._threads.update_state()

    async def reload(self) -> None:
        """Read the configuration again. Raises ConfigError; the old one then stays in use, and `status` reports it."""
        try:
            settings, index = await self._threads.control.run(
                lambda: (load(self._places.config), places().index), CONTROL_SECONDS
            )
        except ConfigError as error:
            self._threads.refused = f"the new configuration is not used: {as_sentence(error)}"
            self._threads.update_state()
            raise
        if index != self._places.index:
            self._threads.refused = "the configuration names another index: restart the daemon to use it"
            self._threads.update_state()
            raise ConfigError(self._threads.refused)
        await self._threads.wait_until_begun()
        warm = self._warm
        if _models(settings) != _models(self._settings):
            warm = LoadedModels(settings, self._places, self._load_models)
        await self._threads.control.run(lambda: self._threads.configure(settings), CONTROL_SECONDS)
        self._threads.refused = None
        self._settings, self._warm = settings, warm
        self._search_threads.configure(settings, warm)
        self._threads.worker.reload(settings, warm)
        log.info("Read the configuration", extra={"fields": {"CONFIG": self._places.config}})
        self._threads.update_state()

    def leave(self) -> None:
        """Stop the daemon after the response to the current request."""
        self._leave()


def _models(settings: Settings) -> tuple[object, ...]:
    """Return the settings that determine the models in memory."""
    return settings.device, *(settings.of(stage) for stage in registry.installed().names)
