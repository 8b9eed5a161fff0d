"""Describe the same photos with the same weights, with the baseline loop and with imgret's pipeline."""

from __future__ import annotations

import gc
import math
import os
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from itertools import takewhile
from typing import Any

import numpy as np
from msgspec import Struct
from PIL import Image, ImageDraw

from benchmarks.describe.baseline_loop import BaselineLoop, Description
from benchmarks.describe.gpu_profile import gpu_profile
from imgret.config import Places, Settings
from imgret.decode.decoder_handle import Decoded
from imgret.decode.pool import DecodePool, default_workers
from imgret.models import torch_device
from imgret.pipeline.loading import load_models
from imgret.pipeline.pipeline import Job, Outcome, Pipeline
from imgret.stages import passage, registry

SIZE = (640, 480)  # pixels: 0.3 megapixels
MOST_IN_MEMORY = 256  # decoded photos, 240 MB


class Speed(Struct, frozen=True):
    """The time that one implementation needs per photo, without loading the models."""

    photos: int
    seconds: float
    cpu_seconds: float  # of all processes; comparable even on a busy machine
    stages: dict[str, float]  # seconds; in the pipeline they overlap with decoding and saving
    idle: float | None = None  # share of time in which the GPU computed nothing, where it was measured


class Agreement(Struct, frozen=True):
    """How far the pipeline's descriptions equal those of the baseline loop, over the photos that both described."""

    captions: float  # share of identical captions
    counts: float
    topics: float
    vectors: float  # the smallest cosine between the vectors of equal passages


def pictures(folder: str, count: int, size: tuple[int, int] = SIZE) -> list[bytes]:
    """Write `count` different JPEGs of `size`, by default 640 x 480 pixels. Return their paths."""
    paths = []
    for number in range(count):
        image = picture(number)
        if size != SIZE:
            image = image.resize(size, Image.Resampling.BICUBIC)
        path = os.path.join(folder, f"{number}.jpg")
        image.save(path, quality=90)
        paths.append(os.fsencode(path))
    return paths


def picture(number: int) -> Image.Image:
    """Return an image of `SIZE` with six ellipses, another one for each number."""
    rng = np.random.default_rng(number)
    ground = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize(SIZE, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        left, top, width, height = rng.integers(10, 300, 4).tolist()
        colour = tuple(rng.integers(0, 255, 3).tolist())
        pen.ellipse((left, top, left + width, top + height), fill=colour)
    return image


def pixels(path: bytes) -> Any:
    """Return the photo as uint8 (height, width, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def baseline_loop(settings: Settings, device: str, paths: Sequence[bytes]) -> tuple[Speed, list[Description]]:
    """Describe photos with the baseline loop, one by one, after a warm-up with the first."""
    loop = BaselineLoop(settings, device)
    loop.describe(paths[0])
    torch_device.threads()  # ultralytics has reduced the number of threads; both sides must use all cores
    loop.seconds = dict.fromkeys(loop.seconds, 0.0)
    began, cpu = time.perf_counter(), cpu_seconds()
    described = [loop.describe(path) for path in paths]
    speed = Speed(
        len(paths),
        (time.perf_counter() - began) / len(paths),
        (cpu_seconds() - cpu) / len(paths),
        {stage: seconds / len(paths) for stage, seconds in loop.seconds.items()},
    )
    del loop
    torch_device.release_memory(device)
    return speed, described


class InMemory:
    """A decoder that returns decoded photos from memory, to measure the models alone.

    It has at most `MOST_IN_MEMORY` photos and returns them in turn.
    """

    def __init__(self, paths: Sequence[bytes], pool: DecodePool) -> None:
        self._paths = {path: number for number, path in enumerate(paths)}
        self._decoded = [pool.submit(path).result() for path in paths[:MOST_IN_MEMORY]]

    def submit(
        self,
        path: bytes,
        expected: bytes | None = None,  # noqa: ARG002
        *,
        sidecars: Sequence[bytes] = (),  # noqa: ARG002
        with_pixels: bool = True,  # noqa: ARG002
    ) -> Future[Decoded]:
        """Return a finished future with the photo, or with another one if it is not in memory."""
        future: Future[Decoded] = Future()
        future.set_result(self._decoded[self._paths[path] % len(self._decoded)])
        return future


def pipeline(
    settings: Settings,
    places: Places,
    device: str,
    paths: Sequence[bytes],
    *,
    decoded: bool = False,
    most_seconds: float = math.inf,
    profile: bool = False,
) -> tuple[Speed, dict[int, Outcome]]:
    """Describe photos with imgret, from files, or with `decoded` from pixels in memory.

    imgret embeds not only the passage, as the baseline loop does, but also the caption and the counts. After `most_seconds`
    no further photo is begun. With `profile` the speed has the share of time in which a GPU was idle.
    """
    models = load_models(settings, places, device=device)
    found: dict[int, Outcome] = {}
    stages = frozenset({"decode", *registry.own().names})
    workers = default_workers(settings.decode_workers)
    with DecodePool(workers) as pool:
        line = Pipeline(models, InMemory(paths, pool) if decoded else pool, batch=settings.batch)
        list(line.run([Job(0, paths[0], stages)]))
        if (
            most_seconds < math.inf
        ):  # a GPU records decoding steps and chooses kernels in the first full batches
            list(line.run(Job(key, path, stages) for key, path in enumerate(paths[: 4 * line.sample])))
        before = line.stats.stage_seconds
        with gpu_profile(device if profile else "cpu") as idle:
            began, cpu = time.perf_counter(), cpu_seconds()
            jobs = (Job(key, path, stages) for key, path in enumerate(paths))
            for batch in line.run(takewhile(lambda _: time.perf_counter() - began < most_seconds, jobs)):
                found |= {outcome.key: outcome for outcome in batch}
            seconds, taken = time.perf_counter() - began, line.stats.stage_seconds
    cpu = cpu_seconds() - cpu
    models.close()
    gc.collect()
    count = len(found)
    speed = Speed(
        count,
        seconds / count,
        cpu / count,
        {stage: (taken[stage] - before[stage]) / count for stage in taken},
        idle[0] if idle else None,
    )
    return speed, found


def descriptions(found: dict[int, Outcome]) -> list[Description]:
    """Return the pipeline's descriptions, to compare another run with them."""
    return [
        Description(
            passage.first(_payload(found[key], "caption")),
            passage.counts(_payload(found[key], "detect") or ()),
            _payload(found[key], "topics") or (),
            _vectors(found[key]).get("passage"),
        )
        for key in sorted(found)
    ]


def agreement(expected: Sequence[Description], found: dict[int, Outcome]) -> Agreement:
    """Compare two descriptions of the same photos."""
    captions, counts, topics, cosines = [], [], [], [1.0]
    for key, baseline in enumerate(expected):
        ours = found[key]
        objects = passage.counts(_payload(ours, "detect") or ())
        captions.append(passage.first(_payload(ours, "caption")) == baseline.caption)
        counts.append(objects == baseline.counts)
        topics.append(_payload(ours, "topics") == baseline.topics)
        if captions[-1] and counts[-1] and topics[-1] and _vectors(ours):
            cosines.append(float(_vectors(ours)["passage"] @ baseline.vector))
    return Agreement(
        sum(captions) / len(expected), sum(counts) / len(expected), sum(topics) / len(expected), min(cosines)
    )


def _payload(outcome: Outcome, stage: str) -> Any:
    return outcome.results[stage].payload if stage in outcome.results else None


def _vectors(outcome: Outcome) -> Mapping[str, Any]:
    return outcome.results["embed"].vectors if "embed" in outcome.results else {}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have exited."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
