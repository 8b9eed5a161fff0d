"""Check whether memory grows with the number of photos: describe many files with the tiny models, and record the RSS."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec import Struct

from benchmarks.describe.measure import pictures
from imgret.config import Places, Settings
from imgret.decode.pool import DecodePool, default_workers
from imgret.pipeline.loading import load_models
from imgret.pipeline.pipeline import Job, Pipeline
from imgret.stages import registry

DISTINCT = 200  # different files, which are described repeatedly


class Memory(Struct, frozen=True):
    """Resident memory of this process after a number of photos."""

    photos: int
    megabytes: float


def over(settings: Settings, places: Places, folder: str, photos: int) -> Iterator[Memory]:
    """Describe `photos` photos, and yield the memory after each tenth of them."""
    paths = pictures(folder, min(DISTINCT, photos))
    jobs = (
        Job(key, paths[key % len(paths)], frozenset({"decode", *registry.own().names}))
        for key in range(photos)
    )
    models = load_models(settings, places)
    done, looked = 0, 0
    with DecodePool(default_workers(settings.decode_workers)) as decoder:
        for batch in Pipeline(models, decoder, batch=settings.batch).run(jobs):
            done += len(batch)
            if done * 10 // photos > looked:
                looked = done * 10 // photos
                yield Memory(done, _resident())
    models.close()


def _resident() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
