"""One batch of photos through the models, in an order in which each stage comes after those that it reads.

Runs the stages that are queued for a photo. A stage without a model is skipped, which is no failure. A stage reads
the results just made, else those that are there already (`Job.results`). Where a result that it requires is
missing it is left undone, for that result may still come; unless the stage that makes it is switched off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from imgret.errors import PhotoError
from imgret.models.batching import BatchSize, in_batches
from imgret.pipeline.jobs import Draft, Outcome
from imgret.pipeline.models import Models
from imgret.stages import registry
from imgret.stages.interface import PIXELS, Item, Result, Stage, StageModel
from imgret.stages.verify import verify


def pixel_stages(models: Models) -> frozenset[str]:
    """The stages with a model that look at pixels."""
    return frozenset(name for name in models if PIXELS in registry.installed()[name].inputs)


class Describer:
    """The models of one device, the batch size each of them has found, and the seconds each has taken."""

    def __init__(self, models: Models, size: BatchSize, release: Callable[[], None] = lambda: None) -> None:
        """`size` is in photos; `release` gives cached memory back to the device after it ran out."""
        self._models = models
        self._release = release
        self._stages = [stage for stage in registry.installed().pixels_first() if stage.name in models]
        self._sizes = {stage.name: _scaled(size, stage.batch) for stage in self._stages}
        self.seconds = dict.fromkeys(self._sizes, 0.0)
        looking = [stage for stage in self._stages if PIXELS in stage.inputs]
        self._slowest = max(looking, key=lambda stage: stage.tier).name if looking else None
        self._last_looking = looking[-1] if looking else None
        self._photos = size.size

    @property
    def photos(self) -> int:
        """How many photos to bring at once: what the slowest model that looks at pixels takes."""
        return self._sizes[self._slowest].size if self._slowest is not None else self._photos

    def describe(self, drafts: Sequence[Draft], stopped: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Exactly one outcome per draft, in order. When `stopped`, the stages not begun are left undone."""
        for stage in self._stages:
            if stopped():
                break
            self._run(stage, drafts)
            if stage is self._last_looking:
                for draft in drafts:
                    draft.pixels = None  # the text stages take their time, and pictures are large
        return [draft.outcome() for draft in drafts]

    def _run(self, stage: Stage, drafts: Sequence[Draft]) -> None:
        """Run one stage over the photos that it is to be done for and can be done for."""
        asked = [(draft, draft.item()) for draft in drafts if stage.name in draft.job.stages]
        asked = [(draft, item) for draft, item in asked if self._can_run(stage, item)]
        if not asked:
            return
        model = self._models[stage.name]
        began = time.perf_counter()
        results, self._sizes[stage.name] = in_batches(
            [item for _, item in asked],
            lambda items: _verified(stage, model, items),
            self._sizes[stage.name],
            self._release,
        )
        self.seconds[stage.name] += time.perf_counter() - began
        for (draft, _), result in zip(asked, results, strict=True):
            if isinstance(result, PhotoError):
                draft.failures[stage.name] = result
            else:
                draft.results[stage.name] = result

    def _can_run(self, stage: Stage, item: Item) -> bool:
        if PIXELS in stage.inputs and item.pixels is None:
            return False
        return all(name in item.results or name in self._models.disabled for name in stage.required)


def _scaled(size: BatchSize, factor: float) -> BatchSize:
    return BatchSize(max(1, int(size.size * factor)), max(1, int(size.limit * factor)))


def _verified(stage: Stage, model: StageModel, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
    """What the model makes of the items. Raises what `verify` raises: then each of them is tried alone."""
    results = model.run(items)
    for result in results:
        if not isinstance(result, PhotoError):
            verify(stage, model, result)
    return results
