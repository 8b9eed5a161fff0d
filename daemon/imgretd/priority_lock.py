"""One copy of each model for many threads: each call holds a lock, and searches go first.

A batch of texts is processed in small parts, between which a search can use the model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from imgret.stages.interface import Item, Result, StageModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.errors import PhotoError
    from imgret.photo import ModelIdentity
    from imgret.search.space_queries import SpaceEncoder

    Hold = Callable[[], AbstractContextManager[None]]


class PriorityLock:
    """A lock with two queues: urgent callers go before the others."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._urgent = 0

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Hold the lock; wait only for the current holder."""
        with self._changed:
            self._urgent += 1
            try:
                self._changed.wait_for(lambda: not self._taken)
            finally:
                self._urgent -= 1
            self._taken = True
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def normal(self) -> Iterator[None]:
        """Hold the lock; wait until no urgent caller waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken and not self._urgent)
            self._taken = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()


class SharedModel(StageModel):
    """A model for several threads: each call holds the lock. `get` returns the loaded model."""

    def __init__(self, get: Callable[[], StageModel], hold: Hold, part: int | None = None) -> None:
        """`part` is how many photos are processed while the lock is held; None: all of a batch."""
        self._get = get
        self._hold = hold
        self._part = part

    @property
    def identity(self) -> ModelIdentity:  # type: ignore[override]
        """See StageModel."""
        return self._get().identity

    @property
    def dimension(self) -> int:  # type: ignore[override]
        """See StageModel."""
        return self._get().dimension

    def run(self, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
        """Run the model on one part of the items at a time."""
        found: list[Result | PhotoError] = []
        part = self._part or max(1, len(items))
        for start in range(0, len(items), part):
            with self._hold():
                found += self._get().run(items[start : start + part])
        return found

    def encode_query(self, texts: Sequence[str], results: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """Encode texts while the lock is held."""
        with self._hold():
            return self._get().encode_query(texts, results)


class UrgentEncoder:
    """A query encoder with priority over all other users of its models."""

    def __init__(self, encoder: SpaceEncoder, lock: PriorityLock) -> None:
        self._encoder = encoder
        self._lock = lock

    @property
    def identity(self) -> ModelIdentity:
        """The identity of the model. Only vectors of the same model may be compared."""
        return self._encoder.identity

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode texts as (texts, dimension), unit norm, in order."""
        with self._lock.urgent():
            return self._encoder.vectors(texts)
