"""One set of pictures and weights, through the seed's loop and through the pipeline."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from msgspec import Struct
from PIL import Image, ImageDraw

from benchmarks.describe.seed import Said, SeedLoop
from imgret.config import Places, Settings
from imgret.decode.decoder_handle import Decoded
from imgret.decode.pool import DecodePool, default_workers
from imgret.models import torch_device
from imgret.pipeline.loading import load_models
from imgret.pipeline.pipeline import Job, Outcome, Pipeline
from imgret.stages import passage, registry

SIZE = (640, 480)  # pixels: 0.3 megapixels
MOST_IN_MEMORY = 256  # decoded pictures, 240 MB


class Speed(Struct, frozen=True):
    """What one way of describing cost, per photo and without the loading of models."""

    photos: int
    seconds: float
    cpu_seconds: float  # of all processes: what remains comparable on a busy machine
    stages: dict[str, float]  # seconds; in the pipeline they overlap with decoding and saving


class Agreement(Struct, frozen=True):
    """How far the pipeline says what the seed's loop says, over the photos that both described."""

    captions: float  # share that is identical, word by word
    counts: float
    topics: float
    vectors: float  # the least cosine between passages' vectors where the passages are equal


def pictures(folder: str, count: int) -> list[bytes]:
    """`count` different JPEGs of 640 x 480."""
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        ground = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(ground).resize(SIZE, Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(image)
        for _ in range(6):
            left, top, width, height = rng.integers(10, 300, 4).tolist()
            colour = tuple(rng.integers(0, 255, 3).tolist())
            pen.ellipse((left, top, left + width, top + height), fill=colour)
        path = os.path.join(folder, f"{number}.jpg")
        image.save(path, quality=90)
        paths.append(os.fsencode(path))
    return paths


def seed_loop(settings: Settings, device: str, paths: Sequence[bytes]) -> tuple[Speed, list[Said]]:
    """Describe one by one; the first picture is described once before, to warm up."""
    loop = SeedLoop(settings, device)
    loop.describe(paths[0])
    torch_device.threads()  # ultralytics has just set one less than there are cores: both sides get all of them
    loop.seconds = dict.fromkeys(loop.seconds, 0.0)
    began, cpu = time.perf_counter(), _cpu()
    said = [loop.describe(path) for path in paths]
    speed = Speed(
        len(paths),
        (time.perf_counter() - began) / len(paths),
        (_cpu() - cpu) / len(paths),
        {stage: seconds / len(paths) for stage, seconds in loop.seconds.items()},
    )
    del loop
    torch_device.give_back(device)
    return speed, said


class InMemory:
    """A decoder whose work is done: what the models alone can do. It holds `MOST_IN_MEMORY` pictures and gives them in turn."""

    def __init__(self, paths: Sequence[bytes], pool: DecodePool) -> None:
        self._paths = {path: number for number, path in enumerate(paths)}
        self._decoded = [pool.submit(path).result() for path in paths[:MOST_IN_MEMORY]]

    def submit(self, path: bytes, expected: bytes | None = None) -> Future[Decoded]:  # noqa: ARG002
        """Its picture at once, or another one's where there are too many."""
        future: Future[Decoded] = Future()
        future.set_result(self._decoded[self._paths[path] % len(self._decoded)])
        return future


def pipeline(
    settings: Settings, places: Places, device: str, paths: Sequence[bytes], *, decoded: bool = False
) -> tuple[Speed, dict[int, Outcome]]:
    """Describe with imgret: besides the seed's vector of the passage also those of caption and counts.

    From files, or with `decoded` from pixels in memory.
    """
    models = load_models(settings, places, device=device)
    found: dict[int, Outcome] = {}
    stages = frozenset({"decode", *registry.own().names})
    workers = default_workers(settings.decode_workers)
    with DecodePool(workers) as pool:
        line = Pipeline(models, InMemory(paths, pool) if decoded else pool, batch=settings.batch)
        list(line.run([Job(0, paths[0], stages)]))
        before = line.stats.stage_seconds
        began, cpu = time.perf_counter(), _cpu()
        for batch in line.run(Job(key, path, stages) for key, path in enumerate(paths)):
            found |= {outcome.key: outcome for outcome in batch}
        seconds, taken = time.perf_counter() - began, line.stats.stage_seconds
    cpu = _cpu() - cpu
    models.close()
    gc.collect()
    speed = Speed(
        len(paths),
        seconds / len(paths),
        cpu / len(paths),
        {stage: (taken[stage] - before[stage]) / len(paths) for stage in taken},
    )
    return speed, found


def as_said(found: dict[int, Outcome]) -> list[Said]:
    """What the pipeline says, to compare another run of it with."""
    return [
        Said(
            _payload(found[key], "caption") or "",
            passage.counts(_payload(found[key], "detect") or ()),
            _payload(found[key], "topics") or (),
            _vectors(found[key]).get("passage"),
        )
        for key in sorted(found)
    ]


def agreement(said: Sequence[Said], found: dict[int, Outcome]) -> Agreement:
    """Compare what both said of the same pictures."""
    captions, counts, topics, cosines = [], [], [], [1.0]
    for key, seed in enumerate(said):
        ours = found[key]
        objects = passage.counts(_payload(ours, "detect") or ())
        captions.append(_payload(ours, "caption") == seed.caption)
        counts.append(objects == seed.counts)
        topics.append(_payload(ours, "topics") == seed.topics)
        if captions[-1] and counts[-1] and topics[-1] and _vectors(ours):
            cosines.append(float(_vectors(ours)["passage"] @ seed.vector))
    return Agreement(
        sum(captions) / len(said), sum(counts) / len(said), sum(topics) / len(said), min(cosines)
    )


def _payload(outcome: Outcome, stage: str) -> Any:
    return outcome.results[stage].payload if stage in outcome.results else None


def _vectors(outcome: Outcome) -> Mapping[str, Any]:
    return outcome.results["embed"].vectors if "embed" in outcome.results else {}


def _cpu() -> float:
    """CPU seconds of this process and of the children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
