"""Which stages can be worked on now: those whose weights are here and load, and what stands in for the others."""

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
    """Remembers which weights could not be loaded, until the settings change. Belongs to the describing thread."""

    def __init__(self, places: Places, on_problem: Callable[[str], None]) -> None:
        """`on_problem` is called once for each reason."""
        self._places = places
        self._on_problem = on_problem
        self.broken: dict[str, str] = {}  # weights that are here and cannot be loaded, and why
        self._instead: dict[str, ModelIdentity] = {}  # what stands in for them
        self._told_devices: set[str] = set()  # what was said of devices that cannot be used

    def identities(self, settings: Settings) -> dict[str, ModelIdentity]:
        """The models of the stages that can be worked on, as far as it is known without loading them."""
        from imgret.pipeline.loading import identities

        able = {**identities(settings, self._places), **self._instead}
        for stage in self.broken.keys() - self._instead.keys():
            able.pop(stage, None)
        return able

    def models(
        self, store: Store, settings: Settings, warm: LoadedModels, able: dict[str, ModelIdentity]
    ) -> Models:
        """What is due needs these: a new note alone does not load the captioner.

        Weights that exist but cannot be loaded are reported once; their stage waits as if they were missing.
        """
        due = set(store.work.waiting())
        stages = registry.installed()
        needed = due | stages.all_followers(due) | (set(stages.names) - settings.stages())
        models = warm.models(needed)
        for sentence in models.without.values():
            if sentence not in self._told_devices:
                self._told_devices.add(sentence)
                self._on_problem(sentence)
        broken = (models.missing.keys() & able.keys()) - self.broken.keys()
        if broken:
            self.broken = {**self.broken, **{stage: models.missing[stage] for stage in broken}}
            for stage in sorted(broken):
                self._on_problem(models.missing[stage])
            for stage in broken & models.loaded.keys():  # another model stands in
                self._instead[stage] = models[stage].identity
            rest = {stage: identity for stage, identity in able.items() if stage not in broken}
            prepare(store, settings, {**rest, **self._instead})
        return models

    def forget(self) -> None:
        """Other settings: what could not be loaded is tried again."""
        self.broken, self._instead = {}, {}
