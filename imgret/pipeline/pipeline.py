"""Jobs in, finished batches out: decoding, describing and saving overlap, and memory stays bounded.

Three parties, each with its own thread or processes:

- the *caller's* thread, inside `Pipeline.run`: takes jobs, hands files to the decoder, and yields finished
  batches, which the caller saves. Only this thread touches `jobs` and `known_pixels`, so both may use a
  database connection of the caller's;
- the *decoder's* workers;
- one *describing* thread for each set of models (one set per device). Each takes what is ready, up to its
  batch size, so photos are dealt out by themselves and a slow file delays nobody but itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from threading import Thread

from msgspec import Struct

from imgret.models.batching import BatchSize
from imgret.pipeline import devices
from imgret.pipeline.describer import Describer, pixel_stages
from imgret.pipeline.flow import Decoder, Run
from imgret.pipeline.jobs import Job, Outcome
from imgret.pipeline.models import Models

__all__ = ["Job", "Outcome", "Pipeline", "Progress"]


class Progress(Struct, frozen=True):
    """Where the photos of a run are, for whoever shows it."""

    decoding: int  # handed to the decoder
    waiting: int  # ready, for a free model
    describing: int  # in a batch
    saving: int  # finished, not saved yet
    done: int  # saved, with or without failures
    failed: int  # of those, with at least one failure
    seconds: float  # since the run began
    stage_seconds: dict[str, float]  # that each model was at work, over all devices


class Pipeline:
    """Runs jobs through a decoder and one set of models per device. One run at a time."""

    def __init__(
        self,
        models: Models,
        decoder: Decoder,
        *,
        batch: BatchSize | int = 0,
        known_pixels: Callable[[int, bytes], bool] | None = None,
        release: Callable[[], None] = devices.release,
    ) -> None:
        """Describe with `models`, and with their peers on other devices, what `decoder` decodes.

        `batch` is how many photos to begin with at once and at most (a number fixes both; 0: found by
        itself). `known_pixels(key, pixel_hash)` says whether another content with these pixels is
        described already. `release` gives cached memory back to the device after it ran out.
        """
        if isinstance(batch, int):
            batch = BatchSize(batch, batch) if batch else devices.batch_size(devices.free_memory())
        sets = [models, *models.peers]
        self._describers = [Describer(each, batch, release) for each in sets]
        self._stages = sets[0].stages()
        self._looking = pixel_stages(models)
        self._decoder = decoder
        self._known_pixels = known_pixels
        self._current: Run | None = None

    def run(self, jobs: Iterable[Job]) -> Iterator[list[Outcome]]:
        """Describe them all. Each list is one commit; each job has exactly one outcome, in any order.

        After `stop` the jobs not begun have none. Closing the generator, an interrupt and an error drop
        the batch in flight; the threads have ended when it returns.
        Raises what `jobs` and `known_pixels` raise, and ImgretError when a device fails.
        """
        run = self._current = Run(
            self._decoder, self._known_pixels, self._describers, self._stages, self._looking
        )
        threads = [
            Thread(target=run.describe, args=(each,), name=f"describe-{number}", daemon=True)
            for number, each in enumerate(self._describers)
        ]
        started: list[Thread] = []
        try:
            for thread in threads:
                thread.start()  # RuntimeError where the machine has no thread left
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

    def stop(self) -> None:
        """Finish the batch in flight and end the run. Any thread and any signal handler may ask."""
        if self._current is not None:
            self._current.stopping = True
            self._current.inbox.put(None)

    @property
    def stats(self) -> Progress:
        """Where the photos of the present (or the last) run are. Any thread may ask."""
        seconds = {
            stage: sum(describer.seconds[stage] for describer in self._describers)
            for stage in self._describers[0].seconds
        }
        run = self._current
        if run is None:
            return Progress(0, 0, 0, 0, 0, 0, 0.0, seconds)
        waiting, describing = run.ready.counts()
        return Progress(
            decoding=len(run.decoding),
            waiting=waiting,
            describing=describing,
            saving=max(0, run.underway - len(run.decoding) - waiting - describing),
            done=run.done,
            failed=run.failed,
            seconds=time.monotonic() - run.began,
            stage_seconds=seconds,
        )
