"""Determines which stages can run now: those whose weights can be loaded, and those with a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imgret.config import Places, Settings
from imgret.photo import ModelIdentity
from imgret.requeue import prepare
from imgret.stages import registry
from imgret.store.interface import Store
from imgretd.loaded_models import LoadedModels

if TYPE_CHECKING:
    from imgret.pipeline.models import Models


class WorkableStages:
    """Remembers which weights could not be loaded, until the settings change. Used only by the describing thread."""

    def __init__(self, places: Places, on_problem: Callable[[str], None]) -> None:
        """`on_problem` is called once with each reason."""
        self._places = places
        self._on_problem = on_problem
        self.broken: dict[str, str] = {}  # stage -> why its weights, which are present, cannot be loaded
        self._instead: dict[str, ModelIdentity] = {}  # stage -> its stand-in
        self._reported_devices: set[str] = set()  # reported messages about devices that cannot be used

    def identities(self, settings: Settings) -> dict[str, ModelIdentity]:
        """Return the models of the stages that can run, as far as is known without loading them."""
        from imgret.pipeline.loading import identities

        available = {**identities(settings, self._places), **self._instead}
        for stage in self.broken.keys() - self._instead.keys():
            available.pop(stage, None)
        return available

    def models(
        self, store: Store, settings: Settings, warm: LoadedModels, available: dict[str, ModelIdentity]
    ) -> Models:
        """Load only the models that the due work needs: a new note alone does not load the captioner.

        Weights that are present but cannot be loaded are reported once; their stage waits as if they were missing.
        """
        due = set(store.work.waiting())
        stages = registry.installed()
        models = warm.models(stages.needed(due) | (set(stages.names) - settings.stages()))
        for sentence in models.unused_devices.values():
            if sentence not in self._reported_devices:
                self._reported_devices.add(sentence)
                self._on_problem(sentence)
        broken = (models.missing.keys() & available.keys()) - self.broken.keys()
        if broken:
            self.broken = {**self.broken, **{stage: models.missing[stage] for stage in broken}}
            for stage in sorted(broken):
                self._on_problem(models.missing[stage])
            for stage in broken & models.loaded.keys():  # a stand-in is loaded
                self._instead[stage] = models[stage].identity
            rest = {stage: identity for stage, identity in available.items() if stage not in broken}
            prepare(store, settings, {**rest, **self._instead}, self.broken)
        return models

    def forget(self) -> None:
        """Retry what could not be loaded, because the settings have changed."""
        self.broken, self._instead = {}, {}
