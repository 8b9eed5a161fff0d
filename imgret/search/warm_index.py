"""What a process that serves many searches keeps in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from imgret.errors import IndexProblem
from imgret.limits import as_sentence
from imgret.search import saved_codes, score_baseline
from imgret.search.saved_codes import LoadedSpace
from imgret.search.view_blend import ViewBlend
from imgret.store.factory import open_store
from imgret.store.filter_masks import FilterMasks
from imgret.store.in_memory import InMemoryIndex
from imgret.store.interface import Store
from imgret.store.records import Space

Query = TypeVar("Query")
Found = TypeVar("Found")
log = logging.getLogger(__name__)

MANY = 200_000  # vectors from which on a search of each space takes milliseconds
SAVED = 1000  # new vectors of a space from which on its file is written again, or
SAVED_SHARE = 100  # ... one in so many, if these are more: they are loaded in half a second
GROWN = 1.05  # the sample is taken again when the library is this many times larger


class _NoFile(Exception):
    """A space has no file with its codes."""


def computed(store: Store, space: Space) -> LoadedSpace:
    """Compute the codes of a space from its vectors: half a minute for a million."""
    sample = score_baseline.sample(store, space)
    memory = InMemoryIndex(store, space, ViewBlend(sample))
    return LoadedSpace(memory, sample, len(memory), None)


def loaded(store: Store, space: Space) -> LoadedSpace:
    """Read the codes of a space from its file, or compute them."""
    return saved_codes.load(store, space) or computed(store, space)


def attached(store: Store, space: Space) -> LoadedSpace:
    """Leave the codes of a space in its file. Raises _NoFile; searching may raise `codes_file.Unfit`."""
    found = saved_codes.attach(store, space)
    if found is None:
        raise _NoFile
    return found


class WarmIndex:
    """The vectors of all spaces in memory, and the samples that scores are measured against, for any thread.

    `rank.search` uses it in place of the tables.
    """

    def __init__(self, store: Store, load: Callable[[Store, Space], LoadedSpace] = computed) -> None:
        """Load everything."""
        self.filters = FilterMasks()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="space")
        self._spaces = {space.id: load(store, space) for space in store.vectors.active_spaces()}
        self._tidied = False
        self._filed = {number: each.filed for number, each in self._spaces.items()}
        self.memories = {number: each.memory for number, each in self._spaces.items()}
        # With the size of the library then.
        self._samples: dict[int, tuple[score_baseline.Sample, int]] = {
            number: (each.sample, each.photos) for number, each in self._spaces.items()
        }

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
        # A list: each of them has to be refreshed.
        fresh = [memory.refresh(store) for memory in self.memories.values()]
        return bool(fresh) and all(fresh)

    def is_outdated(self, store: Store) -> bool:
        """Whether a new one would compare the vectors in another way. This one can be searched until then."""
        return any(memory.is_outdated(store) for memory in self.memories.values())

    def save(self, store: Store, stopped: Callable[[], bool], largest: int | None = None) -> None:
        """Write the files of the spaces whose codes differ much from theirs. For the one process that may write.

        `largest`: codes of more bytes are not written. `stopped` returning True interrupts it. Raises OSError and ImgretError.
        """
        if not self._tidied:
            saved_codes.remove_unfit(store)
            self._tidied = True
        for number, each in self._spaces.items():
            memory = each.memory
            before, rows = self._filed[number], memory.rows
            if before is not None and rows - before <= max(SAVED, rows // SAVED_SHARE):
                continue
            if largest is not None and memory.nbytes > largest:
                continue
            if saved_codes.save(store, each, stopped):
                self._filed[number] = rows
                log.info("Saved the codes of %d photos for %s", len(memory), memory.space.stage)

    def sample(self, store: Store, space: Space) -> score_baseline.Sample:
        """The sample of a space, a recent one."""
        size = len(self.memories[space.id])
        found, sampled = self._samples.get(space.id, (None, 0))
        if found is None or size > sampled * GROWN or size < sampled:
            found = score_baseline.sample(store, space)
            self._samples[space.id] = found, size
        return found


class WarmIndexLoader:
    """Has a `WarmIndex` of one index ready, and loads another in the background when that is outdated.

    Any thread may call. Until the first is loaded, the files of codes are used where they are, if there are some. Without
    them, and after a change of embedder, there is none, and the tables are searched.
    """

    def __init__(self, path: str, *, load: bool = True) -> None:
        """Nothing is loaded until the first `current`. Without `load`, the files are used where they are, for few searches."""
        self._path = path
        self._loads = load
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._warm: WarmIndex | None = None
        self._attached: WarmIndex | None = None
        self._may_attach = True

    def current(self, store: Store, *, attach: bool = True) -> WarmIndex | None:
        """Return the index that is ready now; None if there is none. Never waits. Without `attach`, opens no files."""
        with store.reading(), self._lock:
            warm = self._warm
            fits = warm is not None and warm.refresh(store)
            if (not fits or (warm and warm.is_outdated(store))) and self._loading is None and self._loads:
                self._loading = threading.Thread(target=self._load, name="warm", daemon=True)
                try:
                    self._loading.start()
                except RuntimeError:  # no thread can be started now: the tables are searched
                    self._loading = None
            if fits:
                self._attached = None
                return warm
            if self._may_attach and attach:
                self._may_attach = False
                self._attached = _attached(store)
            waiting = self._attached
            return waiting if waiting and waiting.refresh(store) and not waiting.is_outdated(store) else None

    def detach(self) -> None:
        """Do not use the files where they are any more: reading them has failed."""
        self._attached = None

    def save(self, store: Store, stopped: Callable[[], bool], largest: int | None = None) -> None:
        """See `WarmIndex.save`; does nothing while nothing is loaded."""
        warm = self._warm
        if warm is not None:
            warm.save(store, stopped, largest)

    def wait(self) -> None:
        """Wait until nothing is being loaded."""
        loading = self._loading
        if loading is not None:
            loading.join()

    def _load(self) -> None:
        try:
            with open_store(self._path, create=False) as store:
                self._warm = WarmIndex(store, loaded)
        except IndexProblem:
            self._warm = None  # the next search reports what is wrong with the index
        except BaseException as error:  # such as too little memory: the tables are searched until it succeeds
            self._warm = None
            log.error("The vectors could not be loaded into memory: %s", as_sentence(error))
        finally:
            self._loading = None


def _attached(store: Store) -> WarmIndex | None:
    try:
        found = WarmIndex(store, attached)
    except _NoFile:
        return None
    except (KeyboardInterrupt, SystemExit):
        raise
    except (
        BaseException
    ) as error:  # such as too little memory: the tables are searched, which report what is wrong
        log.error("The codes could not be read from their files: %s", as_sentence(error))
        return None
    return found if found.memories else None
