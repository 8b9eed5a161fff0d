"""Searches by the daemon of an index, or in this process if there is none. No other module makes this choice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from imgret.client.protocol import OTHER_INDEX, Refused
from imgret.client.socket_client import Connection, NoDaemon
from imgret.errors import DaemonError

# The picker imports this module before its first screen, and searches after it.
if TYPE_CHECKING:
    from imgret.config import Places, Settings
    from imgret.search.service import SearchOutput, SearchService
    from imgret.search.warm_index import WarmIndexLoader
    from imgret.store.interface import Store


class SearchClient:
    """Belongs to one thread. Opens the index, the socket and the models when they are first needed."""

    def __init__(
        self,
        settings: Settings,
        places: Places,
        *,
        warn: Callable[[str], None],
        retry_seconds: float | None = None,
        preload_vectors: bool = False,
    ) -> None:
        """`warn` gets a sentence when a daemon is there and fails.

        `retry_seconds`: how long after a daemon was missed it is looked for again; None: never.
        `preload_vectors`: read all vectors into memory first, which pays for many searches in this process.
        """
        self._settings = settings
        self._places = places
        self._warn = warn
        self._retry_seconds = retry_seconds
        self._preload_vectors = preload_vectors
        self._no_daemon_until = 0.0  # by time.monotonic
        self._daemon: Connection | None = None
        self._store: Store | None = None
        self._local: SearchService | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def store(self) -> Store:
        """The index, opened. Raises IndexProblem."""
        from imgret.store.factory import open_store

        if self._store is None:
            self._store = open_store(self._places.index, create=False)
        return self._store

    @property
    def found_store(self) -> Store | None:
        """The index, opened; None if there is none. A connection to a server stays open from one call to the next."""
        from imgret.errors import IndexMissing
        from imgret.store.factory import exists

        place = self._places.index
        if os.path.isabs(place) and not exists(place):  # a file may be removed while it is open
            return None
        try:
            return self.store
        except IndexMissing:
            return None

    @property
    def is_local(self) -> bool:
        """Whether the next search runs in this process, because no daemon was there a moment ago."""
        return time.monotonic() < self._no_daemon_until

    def search(self, params: dict[str, Any]) -> SearchOutput:
        """Search with the fields of `imgret.search.request.SearchRequest`. Raises ImgretError for a request that is not valid."""
        if not self.is_local:
            try:
                if self._daemon is None:
                    self._daemon = Connection(self._places.socket)
                notes, code, output = self._daemon.query({**params, "index": self._places.index})
                from imgret.search.service import SearchOutput

                return SearchOutput(output, notes, code)
            except Refused as error:
                if error.code != OTHER_INDEX:
                    raise
            except NoDaemon:
                pass
            except DaemonError as error:
                self._warn(f"{error}; searching without it")
            self._disconnect()
        return self.search_locally(params)

    def search_locally(self, params: dict[str, Any]) -> SearchOutput:
        """Search in this process. Raises as `search`."""
        from imgret.search.request import read_request

        return self._service().search(read_request(params))

    def passing(self, params: dict[str, Any]) -> int:
        """Return how many contents pass the filters of a search, counted in this process. Raises as `search`."""
        from imgret.search.request import read_request

        return self._service().passing(read_request(params))

    def _service(self) -> SearchService:
        from imgret.search.service import SearchService

        if self._local is None:
            self._local = SearchService(self.store, self._settings, self._places, keeper=self._keeper())
        return self._local

    def close(self) -> None:
        """Close the socket and the index."""
        if self._daemon is not None:
            self._daemon.close()
        if self._store is not None:
            self._store.close()

    def _disconnect(self) -> None:
        seconds = float("inf") if self._retry_seconds is None else self._retry_seconds
        self._no_daemon_until = time.monotonic() + seconds
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None

    def _keeper(self) -> WarmIndexLoader:
        from imgret.search.warm_index import WarmIndexLoader

        keeper = WarmIndexLoader(self._places.index, load=self._preload_vectors)
        if self._preload_vectors:
            keeper.current(self.store)
            keeper.wait()
        return keeper
