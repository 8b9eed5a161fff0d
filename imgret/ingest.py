"""Changes -> describe -> save: the one way in, for the daemon and for `imgret index` alike.

`imgret.sync` has brought the index's paths up to date and queued what is to do; here it is claimed,
described and saved. Each batch is one transaction that holds the results *and* their `done`: a kill at
any point loses at most the batches in flight, and those are done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from imgret import disks
from imgret.config import Settings
from imgret.describe import passage
from imgret.describe.decode import DecodePool, default_workers
from imgret.describe.models import Models
from imgret.describe.pipeline import Job, Outcome, Pipeline, Progress
from imgret.index import photos, results, totals, vectors, work
from imgret.index.connection import Index
from imgret.photo import ModelIdentity, Stage

CLAIM = 64  # photos claimed in one transaction: what a kill can put back into the queue at most, times a few


class Described(Struct, frozen=True):
    """What came of a run."""

    done: int  # photos described, twins included
    failed: int
    interrupted: bool


def workable(settings: Settings, have: Collection[Stage]) -> frozenset[Stage]:
    """The wanted stages that can be done with the models of `have`: topics wait with the captions they are of."""
    stages = settings.stages() & {*have, Stage.DECODE}
    if Stage.CAPTION in settings.stages() - stages:
        stages -= {Stage.TOPICS}
    return stages


def prepare(index: Index, settings: Settings, identities: dict[Stage, ModelIdentity]) -> int:
    """Queue what the models of today would make otherwise. -> how many results; cheap when nothing changed.

    `identities` are those of the stages that can be done now; the others keep waiting.
    """
    wanted = settings.stages()
    today = ";".join(f"{stage}={identities.get(stage, 'waits')}" for stage in sorted(wanted))
    if index.setting("models") == today:
        return 0
    off = set(Stage) - wanted
    with index.writing():
        queued = work.queue_outdated(index, {s: i for s, i in identities.items() if s in wanted}, off)
        index.remember("models", today)
        index.remember("waiting", ",".join(sorted(wanted - workable(settings, identities))))
    return queued


class Ingest:
    """Describes what is due in one index with one set of models. Belongs to the thread that made it."""

    def __init__(self, index: Index, settings: Settings, models: Models) -> None:
        """Nothing is started yet; the models stay the caller's."""
        self._index = index
        self._settings = settings
        self._models = models
        self._stages = models.stages() & settings.stages() - totals.waiting_stages(index)
        self._pipeline: Pipeline | None = None
        self._stopped = False
        self._paths: dict[int, bytes] = {}  # what is under way, by content

    def run(
        self, on_progress: Callable[[Progress], None] = lambda _: None, decoder: DecodePool | None = None
    ) -> Described:
        """Describe all that is due, batch by batch, until nothing is left or `stop` is called.

        Raises DiskFull and the like: what was committed by then is safe, the rest stays queued. On
        KeyboardInterrupt too, the claims in flight are given back.
        """
        own = None if decoder is not None else self._decoder()
        done = failed = 0
        began = time.monotonic()
        try:
            self._pipeline = pipeline = Pipeline(
                self._models,
                decoder or own,  # type: ignore[arg-type]
                batch=self._settings.batch,
                known_pixels=lambda content, pixels: self._twin(content, pixels) is not None,
            )
            for jobs in self._runs():
                for batch in pipeline.run(jobs):
                    bad = self._save(batch)
                    failed += bad
                    done += len(batch) - bad
                    seconds = time.monotonic() - began
                    on_progress(replace(pipeline.stats, done=done + failed, failed=failed, seconds=seconds))
            if self._models.embed is not None:
                vectors.settle(self._index, self._models.embed.identity)
            return Described(done, failed, interrupted=self._stopped)
        finally:
            self._pipeline = None
            if own is not None:
                own.close()
            work.release(self._index)

    def stop(self) -> None:
        """Finish the batch in flight and return. Any thread and any signal handler may ask."""
        self._stopped = True
        if self._pipeline is not None:
            self._pipeline.stop()

    def _decoder(self) -> DecodePool:
        s = self._settings
        return DecodePool(
            default_workers(s.decode_workers),
            memory_mb=s.decode_memory_mb,
            seconds=s.decode_seconds,
            max_megapixels=s.max_megapixels,
        )

    def _runs(self) -> Iterator[Iterable[Job]]:
        """First what may have killed a process, each in a run of its own: nothing else is in flight with it."""
        tried: set[int] = set()
        while not self._stopped:
            suspect = work.claim_suspect(self._index, self._stages, int(time.time()), tried)
            if suspect is None:
                yield self._jobs()
                return
            tried.add(suspect.content)
            yield [self._job(suspect)]

    def _jobs(self) -> Iterator[Job]:
        after = 0
        while not self._stopped:
            claims = work.claim(self._index, self._stages, CLAIM, int(time.time()), after=after)
            if not claims:
                return
            after = max(after, claims[-1].content)
            yield from map(self._job, claims)

    def _job(self, claim: work.Claim) -> Job:
        self._paths[claim.content] = claim.path
        return Job(
            key=claim.content,
            path=claim.path,
            stages=claim.stages,
            known=results.description(self._index, claim.content),
            names=results.names(self._index, claim.content),
        )

    def _save(self, batch: list[Outcome]) -> int:
        """Save a batch in one transaction. -> how many photos failed."""
        failed = 0
        with self._index.writing():
            away = disks.away(self._index) if any(outcome.failures for outcome in batch) else []
            for outcome in batch:
                path = self._paths.get(outcome.key, b"")
                if outcome.failures and disks.lies_in(path, away):
                    work.release(self._index, [outcome.key])  # the disk is gone, not the photo
                    continue
                self._save_one(outcome)
                failed += bool(outcome.failures)
        return failed

    def _save_one(self, outcome: Outcome) -> None:
        index, content, models = self._index, outcome.key, self._models
        finished: set[Stage] = set()
        path = self._paths.pop(content, b"")
        if outcome.facts is not None and photos.overwritten(index, path, content):
            # Written to since it was hashed: what was seen may be other bytes. The next scan finds them.
            work.failed(
                index, content, self._stages, "the file changed while it was described", int(time.time())
            )
            return
        if outcome.facts is not None and outcome.pixel_hash is not None:
            photos.save_facts(index, content, outcome.facts, outcome.pixel_hash)
            finished.add(Stage.DECODE)
        twin = self._twin(content, outcome.pixel_hash) if outcome.twin and outcome.pixel_hash else None
        if twin is not None:
            finished |= results.copy(index, twin, content)
        if outcome.caption is not None and models.caption is not None:
            results.save_caption(index, content, models.caption.identity, outcome.caption)
            finished.add(Stage.CAPTION)
        if outcome.detections is not None and models.detect is not None:
            counts = passage.counts(outcome.detections)
            results.save_detections(index, content, models.detect.identity, outcome.detections, counts)
            finished.add(Stage.DETECT)
        if outcome.topics is not None and models.topics is not None:
            results.save_topics(index, content, models.topics.identity, outcome.topics)
            finished.add(Stage.TOPICS)
        if outcome.vectors is not None and models.embed is not None:
            results.save_vectors(index, content, models.embed.identity, outcome.vectors)
            finished.add(Stage.EMBED)
        if finished:
            results.refresh_words(index, content)
        work.done(index, content, finished)
        claimed = {stage for stage in work.of(index, content) if stage in self._stages}
        if outcome.failures:
            reason = "; ".join(dict.fromkeys(error.advice for error in outcome.failures.values()))
            work.failed(index, content, claimed, reason, int(time.time()))
        elif claimed:
            work.release(index, [content])

    def _twin(self, content: int, pixels: bytes) -> int | None:
        return results.twin(self._index, content, pixels, self._stages)
