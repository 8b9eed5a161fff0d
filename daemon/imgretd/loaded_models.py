"""The models that are in memory: loaded when first needed, the heavy ones given back when idle.

Questions need the topics and the embedder, describing needs all four, and so does a question with a picture
that the index does not know. They share one copy of each model, in turns (`imgretd.priority_lock`).
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from imgret.config import Places, Settings
from imgret.photo import ModelIdentity, Stage
from imgret.search.service import OwnAskers
from imgretd.priority_lock import (
    HurriedAsker,
    PatientEmbedder,
    PatientTopics,
    SharedCaptioner,
    SharedDetector,
    Turns,
)

if TYPE_CHECKING:
    from imgret.models.interface import Models

    Load = Callable[[Settings, Places, Collection[Stage]], Models]

T = TypeVar("T")

HEAVY = frozenset({Stage.CAPTION, Stage.DETECT})
ASKING = frozenset({Stage.TOPICS, Stage.EMBED})


class Warm:
    """Loads and unloads the models of one configuration. Any thread may ask."""

    def __init__(self, settings: Settings, places: Places, load: Load) -> None:
        """`load` is `imgret.models.loading.load_models`, or anything like it."""
        self._settings = settings
        self._places = places
        self._load = load
        self._turns = Turns()
        self._heavy_turns = {stage: Turns() for stage in HEAVY}
        self.last_seen = time.monotonic()  # when a picture was last described for a question
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
        from imgret.models.loading import identities

        with self._asking_lock:
            if self._asker is not None and self._asker.identity == wanted:
                return self._asker
            self._asker = None
            if identities(self._settings, self._places).get(Stage.EMBED) == wanted:
                models = self._asking_models()
                if models.embed is not None and models.embed.identity == wanted:
                    from imgret.search.query_encoder import QueryEmbedder

                    self._asker = HurriedAsker(QueryEmbedder(models.embed, models.topics), self._turns)
            if self._asker is None:  # the vectors of the embedder before answer until its successor is done
                self._asker = HurriedAsker(self._others.asker(wanted), self._turns)
            return self._asker

    def models(self, stages: Collection[Stage]) -> Models:
        """What describing these stages needs, loaded if need be. Not to be closed by the caller."""
        from imgret.models.interface import Models

        models, parts = Models(), []
        with self._heavy_lock:
            for stage in HEAVY.intersection(stages):
                held = self._held(stage)
                parts.append(held)
                if held.caption is not None:
                    caption, turns = held.caption, self._heavy_turns[stage]
                    models.caption = SharedCaptioner(_always(caption), turns.patient)
                if held.detect is not None:
                    detect, turns = held.detect, self._heavy_turns[stage]
                    models.detect = SharedDetector(_always(detect), turns.patient)
        if ASKING.intersection(stages):
            with self._asking_lock:
                asking = self._asking_models()
            parts.append(asking)
            if asking.topics is not None:
                models.topics = PatientTopics(asking.topics, self._turns)
            if asking.embed is not None:
                models.embed = PatientEmbedder(asking.embed, self._turns)
        for part in parts:
            models.missing |= part.missing
            models.disabled |= part.disabled
            models.without |= part.without
        models.peers = _peers(models, parts)
        return models

    def seeing(self) -> Models:
        """The captioner and the detector for a picture that somebody asks with: those of the describing.

        A question goes before the next batch. What was unloaded meanwhile is loaded again.
        """
        from imgret.models.interface import Models

        models = Models()
        self.last_seen = time.monotonic()
        with self._heavy_lock:
            has = {stage: stage in self._held(stage).stages() for stage in HEAVY}
        if has[Stage.CAPTION]:
            models.caption = SharedCaptioner(
                lambda: self._heavy_model(Stage.CAPTION).caption,  # type: ignore[arg-type, return-value]
                self._heavy_turns[Stage.CAPTION].hurried,
            )
        if has[Stage.DETECT]:
            models.detect = SharedDetector(
                lambda: self._heavy_model(Stage.DETECT).detect,  # type: ignore[arg-type, return-value]
                self._heavy_turns[Stage.DETECT].hurried,
            )
        return models

    def unload_heavy(self) -> bool:
        """Give back what only describing needs. Was there something? Not while photos are described."""
        with self._heavy_lock:
            heavy, self._heavy = self._heavy, {}
        if not any(models.stages() - {Stage.DECODE} for models in heavy.values()):
            return False
        for stage, models in heavy.items():
            with self._heavy_turns[stage].patient():  # a question may be using it
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

    def _held(self, stage: Stage) -> Models:
        """A heavy stage's model. The caller holds the lock."""
        if stage not in self._heavy:
            self._heavy[stage] = self._load(self._settings, self._places, {stage})
        return self._heavy[stage]

    def _heavy_model(self, stage: Stage) -> Models:
        self.last_seen = time.monotonic()
        with self._heavy_lock:
            return self._held(stage)


def _always(model: T) -> Callable[[], T]:
    return lambda: model


def _peers(models: Models, parts: Sequence[Models]) -> list[Models]:
    """The models on further devices, put together like `models`; devices that lack one are left out."""
    from imgret.models.interface import Models

    found: dict[int, Models] = {}
    for part in parts:
        for peer in part.peers:
            on = found.setdefault(peer.position, Models(position=peer.position, disabled=models.disabled))
            on.caption = on.caption or peer.caption
            on.detect = on.detect or peer.detect
            on.topics = on.topics or peer.topics
            on.embed = on.embed or peer.embed
    return [peer for _, peer in sorted(found.items()) if peer.stages() == models.stages()]


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
