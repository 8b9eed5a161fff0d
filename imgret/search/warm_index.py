"""What a process that answers many questions keeps between them."""

from __future__ import annotations

import logging
import threading

from imgret.errors import IndexProblem
from imgret.limits import as_sentence
from imgret.search import score_baseline
from imgret.store.factory import open_store
from imgret.store.in_memory import Memory
from imgret.store.interface import Store

log = logging.getLogger(__name__)

GROWN = 1.05  # the sample is taken again when the library is this many times larger


class Warm:
    """The vectors in memory, and the sample that strengths are measured against, for any thread.

    `rank.search` uses it in place of the tables.
    """

    def __init__(self, store: Store) -> None:
        """Load everything: seconds for a million photos."""
        self.memory = Memory(store)
        self._sample: score_baseline.Sample | None = None
        self._sampled = 0

    def sample(self, store: Store) -> score_baseline.Sample:
        """The library's sample, a recent one."""
        size = len(self.memory)
        if self._sample is None or size > self._sampled * GROWN or size < self._sampled:
            self._sample, self._sampled = score_baseline.sample(store), size
        return self._sample


class Keeper:
    """Has a `Warm` of one index ready, and loads another in the background when that is outgrown.

    Any thread may ask. Until the first is loaded, and after a change of embedder, there is none, and the
    tables answer.
    """

    def __init__(self, path: str) -> None:
        """Nothing is loaded until the first `current`."""
        self._path = path
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._warm: Warm | None = None

    def current(self, store: Store) -> Warm | None:
        """What is ready now; never waits for what is not."""
        with self._lock:
            warm = self._warm
            fits = warm is not None and warm.memory.refresh(store)
            if (not fits or (warm and warm.memory.outgrown(store))) and self._loading is None:
                self._loading = threading.Thread(target=self._load, name="warm", daemon=True)
                try:
                    self._loading.start()
                except RuntimeError:  # no thread is to be had now: the tables answer
                    self._loading = None
            return warm if fits else None

    def wait(self) -> None:
        """Until nothing is being loaded."""
        loading = self._loading
        if loading is not None:
            loading.join()

    def _load(self) -> None:
        try:
            with open_store(self._path, create=False) as store:
                self._warm = Warm(store)
        except IndexProblem:
            self._warm = None  # a question that needs the index will say what is wrong with it
        except BaseException as error:  # no memory for all vectors, say: the tables answer until it goes well
            self._warm = None
            log.error("The vectors could not be loaded into memory: %s", as_sentence(error))
        finally:
            self._loading = None
