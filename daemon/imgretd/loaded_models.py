"""The models in memory. They are loaded on first use; those that searches do not need are unloaded when idle.

A search needs the models that encode queries and the models whose output these read; describing photos needs all. Both
share one copy of each model (`imgretd.priority_lock`).
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from imgret.config import Places, Settings
from imgret.photo import ModelIdentity
from imgret.search.service import LocalEncoders
from imgret.stages import registry
from imgret.stages.interface import StageModel
from imgretd.priority_lock import PriorityLock, SharedModel, UrgentEncoder

if TYPE_CHECKING:
    from imgret.pipeline.models import Models

    Load = Callable[[Settings, Places, Collection[str]], Models]


def search_stages() -> frozenset[str]:
    """Return the stages whose models searches share with describing: those with vectors, and their query inputs.

    A stage with a model of its own for queries is not among them: that model is loaded by `LocalEncoders`.
    """
    with_vectors = [
        stage for stage in registry.installed().stages if stage.views and not stage.has_query_model
    ]
    inputs = [name for stage in with_vectors for name in stage.query_inputs(None)]
    return frozenset({*(stage.name for stage in with_vectors), *inputs})


class LoadedModels:
    """Loads and unloads the models of one configuration. Any thread may call."""

    def __init__(self, settings: Settings, places: Places, load: Load) -> None:
        """`load` is `imgret.pipeline.loading.load_models`, or a replacement in tests."""
        self._settings = settings
        self._places = places
        self._load = load
        self._for_search = search_stages()
        self._lock = PriorityLock()  # for the models that searches use
        self._heavy_locks = {
            stage: PriorityLock() for stage in registry.installed().names if stage not in self._for_search
        }
        self.last_image_search = time.monotonic()  # when an image was last described for a search
        self._search_guard = threading.Lock()
        self._heavy_guard = threading.Lock()
        self._search: Models | None = None
        self._heavy: dict[str, Models] = {}
        self._encoders: dict[str, UrgentEncoder] = {}
        self._others = LocalEncoders(settings, places)

    @property
    def loaded(self) -> list[str]:
        """The stages whose models are in memory."""
        search = self._search  # read once: `close` removes it on another thread
        held = [*self._heavy.copy().values(), *([search] if search is not None else [])]
        return sorted(stage for models in held for stage in models)

    def encoder(self, stage: str, wanted: ModelIdentity) -> UrgentEncoder:
        """Return the query encoder of the model `wanted` of a stage, loaded if necessary. Raises WeightsError."""
        from imgret.pipeline.loading import identities

        with self._search_guard:
            held = self._encoders.pop(stage, None)
            if held is None or held.identity != wanted:
                held = None
                shared = stage in self._for_search
                if shared and identities(self._settings, self._places).get(stage) == wanted:
                    held = self._configured_encoder(stage, wanted)
                if held is None:  # the previous vectors are searched until the new ones are complete
                    held = UrgentEncoder(self._others.encoder(stage, wanted), self._lock)
            self._encoders[stage] = held
            return held

    def _configured_encoder(self, stage: str, wanted: ModelIdentity) -> UrgentEncoder | None:
        from imgret.search.query_encoder import QueryEncoder

        models = self._search_models()
        model = models.get(stage)
        if model is None or model.identity != wanted:
            return None
        needed = registry.installed()[stage].query_inputs(wanted)
        inputs = {name: models[name] for name in needed if name in models}
        return UrgentEncoder(QueryEncoder(model, inputs), self._lock)

    def models(self, stages: Collection[str]) -> Models:
        """Return the models to describe photos with these stages, loaded if necessary. The caller must not close them."""
        from imgret.pipeline.models import Models

        models, parts = Models(), []
        with self._heavy_guard:
            for stage in self._heavy_locks.keys() & stages:
                held = self._heavy_models(stage)
                parts.append(held)
                if stage in held:
                    models.loaded[stage] = SharedModel(_always(held[stage]), self._heavy_locks[stage].normal)
        if self._for_search.intersection(stages):
            with self._search_guard:
                held = self._search_models()
            parts.append(held)
            for stage in held:
                part = registry.installed()[stage].turn
                models.loaded[stage] = SharedModel(_always(held[stage]), self._lock.normal, part)
        for each in parts:
            models.decoded |= each.decoded
            models.missing |= each.missing
            models.disabled |= each.disabled
            models.unused_devices |= each.unused_devices
        models.peers = _peers(models, parts)
        return models

    def for_query_image(self, stages: Collection[str]) -> Models:
        """Return the models of these stages to describe the image of a search, with priority over batches of photos.

        A model that was unloaded is loaded again when it is used.
        """
        from imgret.pipeline.models import Models

        models = Models()
        self.last_image_search = time.monotonic()
        for stage in self._heavy_locks.keys() & stages:
            with self._heavy_guard:
                has = stage in self._heavy_models(stage)
            if has:
                models.loaded[stage] = SharedModel(self._getter(stage), self._heavy_locks[stage].urgent)
        return models

    def unload_heavy(self) -> bool:
        """Unload the models that only describing needs. Return whether there were any. Not while photos are described."""
        with self._heavy_guard:
            heavy, self._heavy = self._heavy, {}
        if not any(models.loaded for models in heavy.values()):
            return False
        for stage, models in heavy.items():
            with self._heavy_locks[stage].normal():  # waits for a search that uses it
                models.close()
        del heavy, models
        _release_memory()
        return True

    def close(self) -> None:
        """Unload all models. Describing must have ended; a running search keeps its references."""
        self.unload_heavy()
        with self._search_guard:
            self._search = None
            self._encoders.clear()
            self._others = LocalEncoders(self._settings, self._places)
        _release_memory()

    def _search_models(self) -> Models:
        """Return the models for searches. The caller holds `_search_guard`."""
        if self._search is None:
            self._search = self._load(self._settings, self._places, self._for_search)
        return self._search

    def _heavy_models(self, stage: str) -> Models:
        """Return the model of a stage that searches do not need. The caller holds `_heavy_guard`."""
        if stage not in self._heavy:
            self._heavy[stage] = self._load(self._settings, self._places, {stage})
        return self._heavy[stage]

    def _getter(self, stage: str) -> Callable[[], StageModel]:
        def get() -> StageModel:
            self.last_image_search = time.monotonic()
            with self._heavy_guard:
                return self._heavy_models(stage)[stage]

        return get


def _always(model: StageModel) -> Callable[[], StageModel]:
    return lambda: model


def _peers(models: Models, parts: Sequence[Models]) -> list[Models]:
    """Return the models on other devices, combined like `models`. A device that lacks one of them is left out."""
    from imgret.pipeline.models import Models

    found: dict[int, Models] = {}
    for part in parts:
        for peer in part.peers:
            on = found.setdefault(peer.position, Models(position=peer.position, disabled=models.disabled))
            on.decoded.update(peer.decoded)
            on.loaded.update(peer.loaded)
    return [peer for _, peer in sorted(found.items()) if peer.stages() == models.stages()]


def _release_memory() -> None:
    """Return freed memory to the system: models contain reference cycles, and torch and malloc both cache memory."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only in glibc
        if trim is not None:
            trim(0)
