"""Decodes and describes photos in batches. Decoding, describing and saving overlap, and memory is bounded.

There are three parts, each with its own threads or processes:

- the *caller's* thread, inside `Pipeline.run`: takes jobs, passes files to the decoder, and yields finished
  batches, which the caller saves. Only this thread uses `jobs` and `known_pixels`, so both may use a
  database connection of the caller;
- the *decoder's* workers;
- one *describing* thread for each set of models (one set per device). Each takes decoded photos up to its
  batch size. This balances the load, and a slow file delays only itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Thread

from msgspec import Struct

from imgret.models.batching import BatchSize
from imgret.pipeline import devices
from imgret.pipeline.describer import Describer, decoder_stages, pixel_stages
from imgret.pipeline.flow import Decoder, Run
from imgret.pipeline.jobs import Job, Outcome
from imgret.pipeline.models import Models
from imgret.pipeline.passes import Costs

__all__ = ["Job", "Outcome", "Pipeline", "Progress", "StageProgress"]


class StageProgress(Struct, frozen=True):
    """How far a stage is over the whole library."""

    stage: str
    done: int  # contents that have its result
    total: int  # contents, without those that failed
    seconds_left: float | None  # None: not known yet


class Progress(Struct, frozen=True):
    """How many photos of a run are in which step, for progress displays."""

    decoding: int  # passed to the decoder
    waiting: int  # decoded, until a model is free or another photo with the same pixels is saved
    describing: int  # in a batch
    saving: int  # finished, not saved yet
    done: int  # saved, with or without failures
    failed: int  # of `done`, those with at least one failure
    seconds: float  # since the run began
    stage_seconds: dict[str, float]  # stage -> seconds of its model, summed over all devices
    stages: tuple[StageProgress, ...] = ()  # those that are not finished, in the order of their passes


class Pipeline:
    """Runs jobs through a decoder and one set of models per device. One run at a time."""

    def __init__(
        self,
        models: Models,
        decoder: Decoder,
        *,
        batch: BatchSize | int = 0,
        known_pixels: Callable[[Job, bytes], bool] | None = None,
        release: Callable[[], None] = devices.release,
        costs: Costs | None = None,
    ) -> None:
        """Create a pipeline of `decoder`, `models` and their peers on other devices.

        `batch` is the initial and the maximal batch size in photos (a number sets both; 0: automatic).
        `known_pixels(job, pixel_hash)` returns whether another content with these pixels has the results of this job.
        `release` frees the cached memory of the device after it ran out. The seconds of each stage are added to `costs`.
        """
        if isinstance(batch, int):
            batch = BatchSize(batch, batch) if batch else devices.batch_size(devices.free_memory())
        sets = [models, *models.peers]
        self._costs = costs or Costs(devices=len(sets))
        self._describers = [Describer(each, batch, release, self._costs) for each in sets]
        self._stages = sets[0].stages()
        self._pixel_stages = pixel_stages(models)
        self._decoder_stages = decoder_stages(models)
        self._decoder = decoder
        self._known_pixels = known_pixels
        self._current: Run | None = None

    def run(self, jobs: Iterable[Job]) -> Iterator[list[Outcome]]:
        """Describe all jobs. Yield lists of outcomes, each to be saved in one commit; one outcome per job, in any order.

        After `stop`, jobs that were not started have no outcome. If the generator is closed, or on an interrupt or an
        error, the batch in flight is dropped. All threads have ended when this returns.
        Raises what `jobs` and `known_pixels` raise, and ImgretError if a device fails.
        """
        run = self._current = Run(
            self._decoder,
            self._known_pixels,
            self._describers,
            self._stages,
            self._pixel_stages,
            self._decoder_stages,
            self._costs,
        )
        threads = [
            Thread(target=run.describe, args=(each,), name=f"describe-{number}", daemon=True)
            for number, each in enumerate(self._describers)
        ]
        started: list[Thread] = []
        try:
            for thread in threads:
                thread.start()  # raises RuntimeError if the machine has no thread left
                started.append(thread)
            yield from run.batches(jobs)
            if run.stopping:
                run.close()
                for thread in started:
                    thread.join()
                yield from run.leftovers()
        finally:
            run.abandoned = True
            run.close()
            for thread in started:
                thread.join()

    @property
    def sample(self) -> int:
        """How many photos measure the costs of the stages: a batch on a CPU; two on a GPU, where the first takes longer."""
        photos = sum(describer.photos for describer in self._describers)
        return photos if devices.free_memory() is None else 2 * photos

    def stop(self) -> None:
        """End the run after the batch in flight. May be called from any thread or signal handler."""
        if self._current is not None:
            self._current.stopping = True
            self._current.inbox.put(None)

    def raise_precedence(self, found: Mapping[int, int]) -> None:
        """Give jobs in flight, by key, at least this precedence. To be called only in the thread that runs `run`."""
        if self._current is not None:
            self._current.raise_precedence(found)

    @property
    def stats(self) -> Progress:
        """The progress of the current (or last) run. May be read from any thread."""
        seconds = {
            stage: sum(describer.seconds[stage] for describer in self._describers)
            for stage in self._describers[0].seconds
        }
        run = self._current
        if run is None:
            return Progress(0, 0, 0, 0, 0, 0, 0.0, seconds)
        waiting, describing = run.ready.counts()
        waiting += run.same.count
        return Progress(
            decoding=len(run.decoding),
            waiting=waiting,
            describing=describing,
            saving=max(0, run.in_flight - len(run.decoding) - waiting - describing),
            done=run.done,
            failed=run.failed,
            seconds=time.monotonic() - run.began,
            stage_seconds=seconds,
        )
