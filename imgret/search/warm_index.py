"""What a process that serves many searches keeps in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from imgret.errors import IndexProblem
from imgret.limits import as_sentence
from imgret.search import score_baseline
from imgret.search.view_blend import ViewBlend
from imgret.store.factory import open_store
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store
from imgret.store.records import Space

Query = TypeVar("Query")
Found = TypeVar("Found")
log = logging.getLogger(__name__)

MANY = 200_000  # vectors from which on a search of each space takes milliseconds
GROWN = 1.05  # the sample is taken again when the library is this many times larger


class WarmIndex:
    """The vectors of all spaces in memory, and the samples that scores are measured against, for any thread.

    `rank.search` uses it in place of the tables.
    """

    def __init__(self, store: Store) -> None:
        """Load everything: a minute for each space of a million photos."""
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="space")
        self.memories: dict[int, InMemoryIndex] = {}
        self._samples: dict[int, tuple[score_baseline.Sample, int]] = {}  # with the size of the library then
        for space in store.vectors.active_spaces():
            sample = score_baseline.sample(store, space)
            memory = self.memories[space.id] = InMemoryIndex(store, space, ViewBlend(sample))
            self._samples[space.id] = sample, len(memory)

    def __len__(self) -> int:
        return sum(map(len, self.memories.values()))

    @property
    def nbytes(self) -> int:
        """Bytes held, without the masks."""
        return sum(memory.nbytes for memory in self.memories.values())

    def at_once(self, search: Callable[[Query], Found], queries: Sequence[Query]) -> list[Found]:
        """Return what `search` finds for each query: side by side in threads, where the spaces are large."""
        if len(self) < MANY:
            return [search(query) for query in queries]
        others = [self._threads.submit(search, query) for query in queries[1:]]
        return [search(query) for query in queries[:1]] + [other.result() for other in others]

    def refresh(self, store: Store) -> bool:
        """Take in what was committed since. False if the spaces have changed: load a new one."""
        if self.memories.keys() != {space.id for space in store.vectors.active_spaces()}:
            return False
        fresh = [
            memory.refresh(store) for memory in self.memories.values()
        ]  # a list: each of them has to be refreshed
        return bool(fresh) and all(fresh)

    def is_outdated(self, store: Store) -> bool:
        """Whether a new one would compare the vectors in another way. This one can be searched until then."""
        return any(memory.is_outdated(store) for memory in self.memories.values())

    def sample(self, store: Store, space: Space) -> score_baseline.Sample:
        """The sample of a space, a recent one."""
        size = len(self.memories[space.id])
        found, sampled = self._samples.get(space.id, (None, 0))
        if found is None or size > sampled * GROWN or size < sampled:
            found = score_baseline.sample(store, space)
            self._samples[space.id] = found, size
        return found


class WarmIndexLoader:
    """Has a `WarmIndex` of one index ready, and loads another one in the background when that one is outdated.

    Any thread may use it. Until the first is loaded, and after a change of embedder, there is none, and the
    tables answer.
    """

    def __init__(self, path: str) -> None:
        """Nothing is loaded until the first `current`."""
        self._path = path
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._warm: WarmIndex | None = None

    def current(self, store: Store) -> WarmIndex | None:
        """Return the index that is ready now; None if there is none. Never waits."""
        with self._lock:
            warm = self._warm
            fits = warm is not None and warm.refresh(store)
            if (not fits or (warm and warm.is_outdated(store))) and self._loading is None:
                self._loading = threading.Thread(target=self._load, name="warm", daemon=True)
                try:
                    self._loading.start()
                except RuntimeError:  # no thread can be started now: the tables are searched
                    self._loading = None
            return warm if fits else None

    def wait(self) -> None:
        """Wait until nothing is being loaded."""
        loading = self._loading
        if loading is not None:
            loading.join()

    def _load(self) -> None:
        try:
            with open_store(self._path, create=False) as store:
                self._warm = WarmIndex(store)
        except IndexProblem:
            self._warm = None  # the next search reports what is wrong with the index
        except BaseException as error:  # such as too little memory: the tables are searched until it succeeds
            self._warm = None
            log.error("The vectors could not be loaded into memory: %s", as_sentence(error))
        finally:
            self._loading = None
