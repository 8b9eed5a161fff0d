"""The threads that search, each with its own connection to the index.

Queries neither wait for each other nor for the threads that scan and describe.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from imgret.config import Places, Settings
from imgret.errors import ImgretError
from imgret.limits import as_sentence, limits_explained
from imgret.search.service import SearchService
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgretd.loaded_models import LoadedModels

if TYPE_CHECKING:
    from imgret.search.warm_index import WarmIndexLoader

ANSWERING_THREADS = 4

T = TypeVar("T")


class DaemonSearchService(SearchService):
    """A search service that uses the daemon's loaded models."""

    def __init__(
        self, store: Store, settings: Settings, places: Places, warm: LoadedModels, keeper: WarmIndexLoader
    ) -> None:
        super().__init__(store, settings, places, warm, keeper)
        self.store = store
        self.settings = settings


class SearchThreads:
    """A few threads, each with a connection and a search service of its own, which a reload replaces."""

    def __init__(self, settings: Settings, places: Places, warm: LoadedModels) -> None:
        self._configured = settings, warm
        self._places = places
        self._threads = ThreadPoolExecutor(ANSWERING_THREADS, thread_name_prefix="answer")
        self._own = threading.local()
        self._keeper: WarmIndexLoader | None = None
        self._keeper_lock = threading.Lock()
        self._running = 0  # how many calls are under way; belongs to the loop

    def configure(self, settings: Settings, warm: LoadedModels) -> None:
        """Use these from the next search on."""
        self._configured = settings, warm

    async def run(self, work_: Callable[[DaemonSearchService], T]) -> T:
        """Do this on one of the threads."""
        loop = asyncio.get_running_loop()
        self._running += 1
        try:
            with limits_explained():
                return await loop.run_in_executor(self._threads, lambda: self._guarded(work_))
        finally:
            self._running -= 1

    def save_codes(self, store: Store, stopped: Callable[[], bool], largest: int | None = None) -> None:
        """See `WarmIndexLoader.save`. For the process that is the only writer."""
        keeper = self._keeper
        if keeper is not None:
            keeper.save(store, stopped, largest)

    async def close(self, seconds: float) -> bool:
        """Wait up to `seconds` for running searches, and end. Return whether they have ended."""
        deadline = time.monotonic() + seconds
        while self._running and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._threads.shutdown(wait=not self._running, cancel_futures=True)
        return not self._running

    def _guarded(self, work_: Callable[[DaemonSearchService], T]) -> T:
        try:
            return self._call(work_)
        except Exception:
            raise
        except BaseException as panic:  # asyncio does not pass such an error on
            raise ImgretError(as_sentence(panic)) from panic

    def _call(self, work_: Callable[[DaemonSearchService], T]) -> T:
        service = self._answerer()
        try:
            return work_(service)
        finally:
            if not service.store.writable:  # the disk may have space or be writable again
                service.store.close()
                self._own.configured = None

    def _answerer(self) -> DaemonSearchService:
        configured = self._configured
        if getattr(self._own, "configured", None) is not configured:
            settings, warm = configured
            store = open_store(self._places.index)
            before: DaemonSearchService | None = getattr(self._own, "service", None)
            self._own.service = DaemonSearchService(store, settings, self._places, warm, self._vectors())
            self._own.configured = configured
            if before is not None:
                before.store.close()
        service: DaemonSearchService = self._own.service
        return service

    def _vectors(self) -> WarmIndexLoader:
        """Return the vectors in memory, one copy for all threads; the first search imports numpy."""
        from imgret.search.warm_index import WarmIndexLoader

        with self._keeper_lock:
            if self._keeper is None:
                self._keeper = WarmIndexLoader(self._places.index)
            return self._keeper
