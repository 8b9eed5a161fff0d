"""Each stage alone, from decoded pixels: photos per second, the floor beside it, and how long a GPU is idle."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from benchmarks.describe.floor import Ceilings, Floor, floor
from benchmarks.describe.gpu_profile import gpu_profile, synchronise
from imgret.config import Places, Settings
from imgret.pipeline.jobs import Draft, Job
from imgret.pipeline.loading import load_models
from imgret.stages.interface import Item, StageModel

STAGES = ("image", "caption", "detect", "topics", "embed")
_LEAST_BATCHES = 3


class StageSpeed(Struct, frozen=True):
    """The speed of one stage. `idle` is the share of time in which the GPU computed nothing; None without one."""

    stage: str
    batch: int
    per_second: float
    floor: Floor
    of_floor: float  # measured time over the floor
    idle: float | None = None


def measured(
    settings: Settings,
    places: Places,
    device: str,
    images: Sequence[Any],
    *,
    batch: int,
    seconds: float,
    ceiling: Ceilings,
    profile: bool = False,
) -> Iterator[StageSpeed]:
    """Measure one stage after the other, each with the results of those before it, for about `seconds` each.

    `images` are decoded photos, (height, width, 3). Each batch contains them in turn.
    """
    drafts = [Draft(Job(number, b"photo.jpg", frozenset(STAGES))) for number in range(batch)]
    for draft in drafts:
        draft.pixels = images[draft.job.key % len(images)]
    for stage in STAGES:
        models = load_models(settings, places, [stage], device=device)
        if stage not in models:
            raise RuntimeError(f"{stage} is not loaded: {models.missing.get(stage, 'it is switched off')}")
        model, items = models[stage], [draft.item() for draft in drafts]
        dtype = _dtype(settings, stage, device)
        # First: a step that was recorded already is replayed, and the operators in it are not counted.
        least = floor(model, items, ceiling, dtype)
        per_second, results = _speed(model, items, device, seconds)
        idle = _idle(model, items, device) if profile and device.startswith("cuda") else None
        for draft, result in zip(drafts, results, strict=True):
            draft.results[stage] = result
        models.close()
        yield StageSpeed(
            stage,
            batch,
            round(per_second, 2),
            least,
            round(1 / per_second / max(least.seconds, 1e-12), 1),
            idle,
        )


def _dtype(settings: Settings, stage: str, device: str) -> str:
    """Return the dtype that most of the stage's arithmetic has."""
    wanted = getattr(settings.of(stage), "dtype", "float32")
    if wanted != "auto":
        return str(wanted)
    return "bfloat16" if device.startswith("cuda") else "float32"


def _speed(model: StageModel, items: Sequence[Item], device: str, seconds: float) -> tuple[float, Any]:
    """Return photos per second, and the results. Two batches warm up: from the second on a GPU replays."""
    results = model.run(items)
    model.run(items)
    synchronise(device)
    began, count = time.perf_counter(), 0
    while count < _LEAST_BATCHES or time.perf_counter() - began < seconds:
        model.run(items)
        count += 1
    synchronise(device)
    return count * len(items) / (time.perf_counter() - began), results


def _idle(model: StageModel, items: Sequence[Item], device: str) -> float:
    """Return the share of the time of two batches in which no kernel ran, by torch's profiler."""
    with gpu_profile(device) as shares:
        for _ in range(2):
            model.run(items)
    return shares[0]
