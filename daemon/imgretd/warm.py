"""The models that are in memory: loaded when first needed, the heavy ones given back when idle.

Questions need the topics and the embedder, describing needs all four. The two share one copy of each model,
and a question goes first: a batch of texts is embedded in small parts, between which a question steps in.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgret.answer import OwnAskers
from imgret.config import Places, Settings
from imgret.photo import ModelIdentity, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.describe.models import Embedder, Models, TopicClassifier
    from imgret.search.rank import Asker

    Load = Callable[[Settings, Places, Collection[Stage]], Models]

HEAVY = frozenset({Stage.CAPTION, Stage.DETECT})
ASKING = frozenset({Stage.TOPICS, Stage.EMBED})
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


class Warm:
    """Loads and unloads the models of one configuration. Any thread may ask."""

    def __init__(self, settings: Settings, places: Places, load: Load) -> None:
        """`load` is `imgret.describe.loading.load_models`, or anything like it."""
        self._settings = settings
        self._places = places
        self._load = load
        self._turns = Turns()
        self._asking_lock = threading.Lock()
        self._heavy_lock = threading.Lock()
        self._asking: Models | None = None
        self._heavy: dict[Stage, Models] = {}
        self._asker: HurriedAsker | None = None
        self._others = OwnAskers(settings, places)

    @property
    def loaded(self) -> list[str]:
        """The stages whose models are in memory."""
        held = [*self._heavy.copy().values(), *([self._asking] if self._asking else [])]
        return sorted(stage.value for models in held for stage in models.stages() - {Stage.DECODE})

    def asker(self, wanted: ModelIdentity) -> HurriedAsker:
        """What embeds questions as `wanted` does, loaded if need be. Raises WeightsError."""
        from imgret.describe.loading import identities

        with self._asking_lock:
            if self._asker is not None and self._asker.identity == wanted:
                return self._asker
            self._asker = None
            if identities(self._settings, self._places).get(Stage.EMBED) == wanted:
                models = self._asking_models()
                if models.embed is not None and models.embed.identity == wanted:
                    from imgret.search.ask import QueryEmbedder

                    self._asker = HurriedAsker(QueryEmbedder(models.embed, models.topics), self._turns)
            if self._asker is None:  # the vectors of the embedder before answer until its successor is done
                self._asker = HurriedAsker(self._others.asker(wanted), self._turns)
            return self._asker

    def models(self, stages: Collection[Stage]) -> Models:
        """What describing these stages needs, loaded if need be. Not to be closed by the caller."""
        from imgret.describe.models import Models

        models = Models()
        with self._heavy_lock:
            for stage in HEAVY.intersection(stages):
                if stage not in self._heavy:
                    self._heavy[stage] = self._load(self._settings, self._places, {stage})
                held = self._heavy[stage]
                models.caption = models.caption or held.caption
                models.detect = models.detect or held.detect
                models.missing |= held.missing
                models.disabled |= held.disabled
        if ASKING.intersection(stages):
            with self._asking_lock:
                asking = self._asking_models()
            if asking.topics is not None:
                models.topics = PatientTopics(asking.topics, self._turns)
            if asking.embed is not None:
                models.embed = PatientEmbedder(asking.embed, self._turns)
            models.missing |= asking.missing
            models.disabled |= asking.disabled
        return models

    def unload_heavy(self) -> bool:
        """Give back what only describing needs. Was there something? Not while it is used."""
        with self._heavy_lock:
            heavy, self._heavy = self._heavy, {}
        if not any(models.stages() - {Stage.DECODE} for models in heavy.values()):
            return False
        for models in heavy.values():
            models.close()
        del heavy, models
        _give_back_memory()
        return True

    def close(self) -> None:
        """Give everything back. The describing has ended; a question under way keeps what it holds."""
        self.unload_heavy()
        with self._asking_lock:
            self._asking = self._asker = None
            self._others = OwnAskers(self._settings, self._places)
        _give_back_memory()

    def _asking_models(self) -> Models:
        """The caller holds the lock."""
        if self._asking is None:
            self._asking = self._load(self._settings, self._places, ASKING)
        return self._asking


def _give_back_memory() -> None:
    """Models are full of cycles, and torch and malloc both keep what they have got until they are told."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)
