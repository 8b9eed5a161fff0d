"""Time until a new library can be searched by meaning: `python -m benchmarks.first_useful --photos 1000`.

Indexes the same photos twice with the tiny checkpoints: as imgret does (cheap stages first), and photo by photo with all
stages at once. Each model sleeps as long as a full-size model would take on two cores, divided by `--faster`. Prints
the seconds until all photos have their vector of the stage image, and until everything is finished.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from imgret.config import Settings, places
from imgret.decode.pool import DecodePool, decode_pool
from imgret.demo.bundled import demo_settings
from imgret.errors import PhotoError
from imgret.ingest import Ingest
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models
from imgret.pipeline.passes import Costs
from imgret.requeue import prepare
from imgret.stages.interface import DECODE, Item, Result, StageModel
from imgret.store.factory import open_store
from imgret.sync import add_root, sync

# Seconds per photo of the default models in float32 on two cores.
FULL_SIZE = {"image": 0.07, "detect": 0.3, "caption": 1.3, "topics": 0.02, "embed": 0.08}


class Delayed(StageModel):
    """A model that takes longer."""

    def __init__(self, model: StageModel, seconds: float) -> None:
        self._model = model
        self._seconds = seconds
        self.identity = model.identity
        self.dimension = model.dimension

    def run(self, items: Sequence[Item]) -> Sequence[Result | PhotoError]:
        """Run the model, and wait."""
        time.sleep(self._seconds * len(items))
        return self._model.run(items)


class NoCosts(Costs):
    """Lets every stage look so cheap that all of them are one pass."""

    def of(self, stage: str) -> float | None:
        """Return next to nothing, and less for a model than for decoding."""
        return 1e-6 if stage == DECODE else 1e-9


def measured(
    folder: str, settings: Settings, models: Models, decoder: DecodePool, costs: Costs | None
) -> tuple[float, float]:
    """Index a folder. Return the seconds until all photos have an image vector, and until they are finished."""
    by_image = 0.0
    with tempfile.TemporaryDirectory() as home, open_store(os.path.join(home, "index.db")) as store:
        sync(store, settings, add_root(store, os.fsencode(folder))[0])
        prepare(store, settings, models.identities())
        began = time.monotonic()

        def advance(_: object) -> None:
            nonlocal by_image
            if not by_image and not store.summary.progress().waiting.get("image"):
                by_image = time.monotonic() - began

        described = Ingest(store, settings, models, costs=costs).run(advance, decoder)
        if described.failed or store.work.waiting():
            raise RuntimeError(f"not everything was described: {described}, {store.work.waiting()}")
        return by_image, time.monotonic() - began


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--faster", type=float, default=10.0, help="than the full-size models")
    options = parser.parse_args()
    settings = demo_settings()
    with tempfile.TemporaryDirectory() as folder:
        from benchmarks.describe.measure import pictures

        photos = Path(folder) / "photos"
        photos.mkdir()
        pictures(str(photos), options.photos)
        models = load_models(settings, places({"HOME": folder}))
        models.loaded = {
            stage: Delayed(model, FULL_SIZE.get(stage, 0.0) / options.faster)
            for stage, model in models.loaded.items()
        }
        found = {}
        with decode_pool(settings) as decoder:
            for name, costs in (("all stages of a photo at once", NoCosts()), ("cheap stages first", None)):
                found[name] = measured(str(photos), settings, models, decoder, costs)
        models.close()
    print(
        f"{options.photos} photos, tiny models, each delayed to {1 / options.faster:.0%} of a full-size one:"
    )
    for name, (by_image, finished) in found.items():
        print(f"  {name:<30} searchable by image after {by_image:6.1f} s, finished after {finished:6.1f} s")
    (before, _), (after, _) = found.values()
    print(f"  {before / after:.1f} times sooner")
    return 0


if __name__ == "__main__":
    sys.exit(main())
