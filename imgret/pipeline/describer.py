"""Runs the models over a batch of photos; each stage runs after the stages whose results it reads.

Only the stages of its job run for a photo. A stage without a model is skipped, which is not a failure. A stage reads
the results of this batch, or else the stored ones (`Job.results`). If a result that it requires is missing, it
is skipped, because that result may be computed later; unless the stage of that result is disabled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from imgret.errors import PhotoError
from imgret.models.batching import BatchSize, in_batches
from imgret.pipeline.jobs import Draft, Outcome
from imgret.pipeline.models import Models
from imgret.pipeline.passes import Costs
from imgret.stages import registry
from imgret.stages.interface import PIXELS, POSITION, Item, Result, Stage, StageModel
from imgret.stages.verify import verify


def pixel_stages(models: Models) -> frozenset[str]:
    """Return the stages with a model that read pixels."""
    return frozenset(name for name in models if PIXELS in registry.installed()[name].inputs)


def decoder_stages(models: Models) -> frozenset[str]:
    """Return the stages whose results the decoder reads from the file."""
    return frozenset(models.decoded)


class Describer:
    """Runs the models of one device. Adapts the batch size of each model and counts its seconds."""

    def __init__(
        self,
        models: Models,
        size: BatchSize,
        release: Callable[[], None] = lambda: None,
        costs: Costs | None = None,
    ) -> None:
        """`size` is in photos; `release` frees the cached memory of the device after it ran out.

        The seconds of each stage are also added to `costs`.
        """
        self._costs = costs or Costs()
        self._models = models
        self._release = release
        self._stages = [stage for stage in registry.installed().pixels_first() if stage.name in models]
        self._sizes = {stage.name: _scaled(size, stage.batch) for stage in self._stages}
        self.seconds = dict.fromkeys(self._sizes, 0.0)
        with_pixels = [stage for stage in self._stages if PIXELS in stage.inputs]
        self._slowest = max(with_pixels, key=lambda stage: stage.tier).name if with_pixels else None
        self._last_with_pixels = with_pixels[-1] if with_pixels else None
        self._photos = size.size

    @property
    def photos(self) -> int:
        """The number of photos per batch: the batch size of the slowest model that reads pixels."""
        return self._sizes[self._slowest].size if self._slowest is not None else self._photos

    def describe(self, drafts: Sequence[Draft], stopped: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Return one outcome per draft, in order. Once `stopped` returns True, no further stage is started."""
        for stage in self._stages:
            if stopped():
                break
            self._run(stage, drafts)
            if stage is self._last_with_pixels:
                for draft in drafts:
                    draft.pixels = None  # free the memory: text stages take long, and images are large
        return [draft.outcome() for draft in drafts]

    def _run(self, stage: Stage, drafts: Sequence[Draft]) -> None:
        """Run one stage for the photos whose job contains it and whose inputs are present."""
        todo = [(draft, draft.item()) for draft in drafts if stage.name in draft.job.stages]
        todo = [(draft, item) for draft, item in todo if self._can_run(stage, draft, item)]
        if not todo:
            return
        model = self._models[stage.name]
        began = time.perf_counter()
        results, self._sizes[stage.name] = in_batches(
            [item for _, item in todo],
            lambda items: _verified(stage, model, items),
            self._sizes[stage.name],
            self._release,
        )
        seconds = time.perf_counter() - began
        self.seconds[stage.name] += seconds
        self._costs.add(stage.name, seconds, len(todo))
        for (draft, _), result in zip(todo, results, strict=True):
            if isinstance(result, PhotoError):
                draft.failures[stage.name] = result
            else:
                draft.results[stage.name] = result

    def _can_run(self, stage: Stage, draft: Draft, item: Item) -> bool:
        if POSITION in stage.inputs and draft.facts is None and draft.job.facts is None:
            return False  # whether it has a position is not known yet
        if PIXELS in stage.inputs and item.pixels is None:
            return False
        return all(name in item.results or name in self._models.disabled for name in stage.required)


def _scaled(size: BatchSize, factor: float) -> BatchSize:
    return BatchSize(max(1, int(size.size * factor)), max(1, int(size.limit * factor)))


def _verified(stage: Stage, model: StageModel, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
    """Run the model and verify its results. Raises what `verify` raises; the items are then tried one by one."""
    results = model.run(items)
    for result in results:
        if not isinstance(result, PhotoError):
            verify(stage, model, result)
    return results
