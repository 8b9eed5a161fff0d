"""Claims queued photos, describes them and saves the results; used by the daemon and by `imgret index`.

`imgret.sync` updates the paths in the index and queues the work. Each batch is saved in one transaction that
contains the results *and* marks the work as done: if the process is killed, at most the batches in flight are
lost, and they are described again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from imgret import disks, photo_metadata, stage_results
from imgret.batch_saving import BatchSaver, InFlight
from imgret.config import Settings
from imgret.decode.pool import DecodePool, decode_pool, default_workers
from imgret.errors import FileChanged, ImgretError
from imgret.limits import as_sentence, shortage
from imgret.pipeline.models import Models
from imgret.pipeline.passes import Costs
from imgret.pipeline.pipeline import Job, Outcome, Pipeline, Progress
from imgret.stages import registry
from imgret.stages.metadata import NAME as METADATA
from imgret.store import policy, records, row_values
from imgret.store.interface import Store
from imgret.work_order import WorkOrder

log = logging.getLogger(__name__)


class Described(Struct, frozen=True):
    """The result of a run."""

    done: int  # photos for which nothing is left to do, including those with the pixels of another photo
    failed: int
    interrupted: bool = False
    # paths whose file is not the one in the index: to be scanned again
    changed: frozenset[bytes] = frozenset()


class Ingest:
    """Describes the due photos of one index with one set of models. Used only by the thread that created it."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        models: Models,
        *,
        costs: Costs | None = None,
        arrivals: bool = False,
    ) -> None:
        """Start nothing yet. The caller closes the models.

        `costs` is what earlier runs with these models have measured. With `arrivals`, a run also describes photos that
        are queued while it runs; without, it leaves them to the next run.
        """
        self._costs = costs or Costs(default_workers(settings.decode_workers), 1 + len(models.peers))
        self._arrivals = arrivals
        self._store = store
        self._settings = settings
        self._models = models
        self._identities = models.identities()
        self._stages = models.stages() & settings.stages() - store.summary.waiting_stages()
        self._pipeline: Pipeline | None = None
        self._stopped = False
        self._in_flight: dict[int, InFlight] = {}
        self._unread = 0  # photos whose data in the index cannot be used
        self._changed: set[bytes] = set()  # see `Described.changed`
        self._order: WorkOrder | None = None
        self._saver = BatchSaver(store, settings, self._identities, self._stages, self._order_again)

    def run(
        self, on_progress: Callable[[Progress], None] = lambda _: None, decoder: DecodePool | None = None
    ) -> Described:
        """Describe everything that is due, in batches, until nothing is left or `stop` is called.

        Raises ImgretError such as DiskFull: committed batches are kept, the rest stays queued. Claims in flight are
        released on every exit, KeyboardInterrupt included.
        """
        own = None if decoder is not None else decode_pool(self._settings)
        done = failed = self._unread = 0
        began = time.monotonic()
        disks.look(self._store)
        try:
            self._pipeline = pipeline = Pipeline(
                self._models,
                decoder or own,  # type: ignore[arg-type]
                batch=self._settings.batch,
                known_pixels=lambda job, pixels: self._saver.twin(job.key, pixels, job.stages) is not None,
                costs=self._costs,
            )
            self._order = order = WorkOrder(
                self._store,
                self._stages,
                self._costs,
                pipeline.sample,
                lambda: self._stopped,
                self._raise_precedence,
                arrivals=self._arrivals,
            )
            for claims in order.runs():
                for batch in pipeline.run(self._jobs(claims)):
                    good, bad = self._save(batch)
                    done, failed = done + good, failed + bad
                    lost = failed + self._unread
                    progress = replace(pipeline.stats, done=done + lost, failed=lost)
                    on_progress(replace(progress, seconds=time.monotonic() - began, stages=order.progress()))
                self._activate_spaces()
            return Described(done, failed + self._unread, self._stopped, frozenset(self._changed))
        finally:
            self._pipeline = None
            if own is not None:
                own.close()
            self._store.work.release()

    def stop(self) -> None:
        """Make `run` return after the batch in flight. May be called from any thread or signal handler."""
        self._stopped = True
        if self._pipeline is not None:
            self._pipeline.stop()

    def _raise_precedence(self) -> None:
        """Let photos in flight that a new request has taken over come before others."""
        if self._pipeline is not None and self._in_flight:
            found = self._store.work.request_of(self._in_flight)
            self._pipeline.raise_precedence(
                {content: policy.precedence(request) for content, request in found.items()}
            )

    def _activate_spaces(self) -> None:
        """Search the vectors of a changed model as soon as they cover those of the model before."""
        for stage, identity in self._models.identities().items():
            if registry.installed()[stage].views:
                self._store.vectors.activate_when_complete(identity, stage)

    def _jobs(self, claims: Iterable[records.Claim]) -> Iterator[Job]:
        for claim in claims:
            self._in_flight[claim.content] = InFlight(claim)
            try:
                job = self._job(claim)
            except ImgretError:
                raise
            except Exception as error:  # bad data stored for one photo must not stop the others
                self._record_unexpected(claim.content, error)
                self._unread += 1
                continue
            yield job

    def _job(self, claim: records.Claim) -> Job:
        store, content = self._store, claim.content
        note = store.results.note(content)
        results = stage_results.payloads(store, content)
        self._in_flight[content] = InFlight(claim, frozenset(results), note)
        return Job(
            key=content,
            path=claim.path,
            stages=claim.stages,
            results=results,
            note=note,
            names=store.results.names(content),
            facts=store.contents.facts(content),
            content_hash=store.contents.hash_of(content),
            sidecars=photo_metadata.sidecars(store, content) if METADATA in claim.stages else (),
            precedence=policy.precedence(claim.position.request),
        )

    def _save(self, batch: list[Outcome]) -> tuple[int, int]:
        """Save a batch in one transaction, or one by one if that fails. Return (described, failed) counts."""
        try:
            return self._save_together(batch)
        except ImgretError:
            raise
        except Exception as error:
            lacking = shortage(error)
            if lacking is not None:
                raise lacking from error
            if len(batch) > 1:
                parts = [self._save([outcome]) for outcome in batch]
                return sum(done for done, _ in parts), sum(failed for _, failed in parts)
            self._record_unexpected(batch[0].key, error)
            return 0, 1

    def _record_unexpected(self, content: int, error: Exception) -> None:
        """Record an unexpected error as a failure of this photo; it is retried later like any other."""
        name = os.fsdecode(self._path(content))
        log.error("%s failed", name, exc_info=error)
        reason = row_values.unnamed(f"{name}: {as_sentence(error)}", self._path(content))
        self._store.work.failed(content, self._store.work.of(content), reason, int(time.time()))
        self._in_flight.pop(content, None)

    def _save_together(self, batch: list[Outcome]) -> tuple[int, int]:
        failing = any(outcome.failures for outcome in batch)
        offline = disks.offline_folders(self._store) if failing else []
        saved: list[Outcome] = []
        changed: list[Outcome] = []
        for outcome in batch:
            if outcome.failures and disks.is_inside(self._path(outcome.key), offline):
                continue  # its disk went offline: not a failure of the photo, which is tried in the next run
            different = any(isinstance(error, FileChanged) for error in outcome.failures.values())
            (changed if different else saved).append(outcome)
        complete = self._saver.save([(outcome, self._in_flight[outcome.key]) for outcome in saved])
        for outcome in changed:
            self._try_other_path(outcome.key, self._path(outcome.key))
        for outcome in batch:  # only after the commit, because a failed batch is saved one by one
            self._in_flight.pop(outcome.key, None)
        failed = sum(bool(outcome.failures) for outcome in saved)
        done = sum(whole and not outcome.failures for whole, outcome in zip(complete, saved, strict=True))
        return done, failed

    def _path(self, content: int) -> bytes:
        known = self._in_flight.get(content)
        return known.claim.path if known is not None else b""

    def _try_other_path(self, content: int, path: bytes) -> None:
        """Try another path of a content whose file at `path` has changed, in this run; if it has none, in the next one."""
        self._changed.add(path)
        if self._store.photos.suspect(path, content):
            self._store.work.release([content])
            self._order_again()

    def _order_again(self) -> None:
        if self._order is not None:
            self._order.another_pass = True
