"""One copy of each model for many threads: whoever uses it takes a turn, and a question goes first.

A batch of texts is embedded in small parts, between which a question steps in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from imgret.photo import Detection, ModelIdentity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.models.interface import Captioner, Detector, Embedder, Pixels, TopicClassifier
    from imgret.search.rank import Asker

    Turn = Callable[[], AbstractContextManager[None]]

_PART = 16  # texts embedded between two looks at whether a question waits


class Turns:
    """A lock with two queues: who is in a hurry goes before who is not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._hurried = 0

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """The lock, as soon as who has it is done."""
        with self._changed:
            self._hurried += 1
            try:
                self._changed.wait_for(lambda: not self._taken)
            finally:
                self._hurried -= 1
            self._taken = True
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def patient(self) -> Iterator[None]:
        """The lock, once nobody in a hurry wants it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken and not self._hurried)
            self._taken = True
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()


class PatientEmbedder:
    """The embedder as describing sees it: lets questions in between."""

    def __init__(self, embedder: Embedder, turns: Turns) -> None:
        self._embedder = embedder
        self._turns = turns

    @property
    def identity(self) -> ModelIdentity:
        """The embedder's own."""
        return self._embedder.identity

    @property
    def dimension(self) -> int:
        """The embedder's own."""
        return self._embedder.dimension

    def embed(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """As the embedder, a few texts at a time."""
        import numpy as np

        parts = []
        for start in range(0, len(pairs), _PART):
            with self._turns.patient():
                parts.append(self._embedder.embed(pairs[start : start + _PART]))
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def close(self) -> None:
        """Nothing: `Warm` gives it back."""


class PatientTopics:
    """The classifier as describing sees it."""

    def __init__(self, topics: TopicClassifier, turns: Turns) -> None:
        self._topics = topics
        self._turns = turns

    @property
    def identity(self) -> ModelIdentity:
        """The classifier's own."""
        return self._topics.identity

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """As the classifier, a few texts at a time."""
        found: list[tuple[str, ...]] = []
        for start in range(0, len(texts), _PART):
            with self._turns.patient():
                found += self._topics.topics(texts[start : start + _PART])
        return found

    def close(self) -> None:
        """Nothing: `Warm` gives it back."""


class SharedCaptioner:
    """The captioner for several threads: each batch takes its turn. `get` gives the loaded one."""

    def __init__(self, get: Callable[[], Captioner], turn: Turn) -> None:
        self._get = get
        self._turn = turn

    @property
    def identity(self) -> ModelIdentity:
        """The captioner's own."""
        return self._get().identity

    def caption(self, images: Sequence[Pixels]) -> list[str]:
        """As the captioner."""
        with self._turn():
            return self._get().caption(images)

    def close(self) -> None:
        """Nothing: `Warm` gives it back."""


class SharedDetector:
    """The detector for several threads: each batch takes its turn. `get` gives the loaded one."""

    def __init__(self, get: Callable[[], Detector], turn: Turn) -> None:
        self._get = get
        self._turn = turn

    @property
    def identity(self) -> ModelIdentity:
        """The detector's own."""
        return self._get().identity

    def detect(self, images: Sequence[Pixels]) -> list[tuple[Detection, ...]]:
        """As the detector."""
        with self._turn():
            return self._get().detect(images)

    def close(self) -> None:
        """Nothing: `Warm` gives it back."""


class HurriedAsker:
    """Texts of a question -> vectors, for any thread. A text that was asked before costs nothing."""

    def __init__(self, asker: Asker, turns: Turns) -> None:
        self._asker = asker
        self._turns = turns

    @property
    def identity(self) -> ModelIdentity:
        """The embedder's: its vectors may meet only vectors of the same."""
        return self._asker.identity

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """(texts, dimension), unit norm, in order."""
        with self._turns.hurried():
            return self._asker.vectors(texts)
