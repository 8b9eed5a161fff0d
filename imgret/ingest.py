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
from imgret.config import Settings
from imgret.decode.edit_detection import Traits, is_edit
from imgret.decode.pool import DecodePool, decode_pool, default_workers
from imgret.errors import FileChanged, ImgretError
from imgret.limits import as_sentence, shortage
from imgret.pipeline.models import Models
from imgret.pipeline.passes import Costs
from imgret.pipeline.pipeline import Job, Outcome, Pipeline, Progress
from imgret.requeue import read_notes
from imgret.stages import registry
from imgret.stages.interface import DECODE, POSITION
from imgret.stages.metadata import NAME as METADATA
from imgret.store import records, row_values
from imgret.store.interface import Store
from imgret.store.policy import BACKLOG
from imgret.work_order import WorkOrder

log = logging.getLogger(__name__)


class Described(Struct, frozen=True):
    """The result of a run."""

    done: int  # photos for which nothing is left to do, including those with the pixels of another photo
    failed: int
    interrupted: bool = False
    changed: frozenset[bytes] = (
        frozenset()
    )  # paths whose file is not the one in the index: to be scanned again


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
        self._note_stages = read_notes(settings)
        self._own_stages = self._note_stages | registry.installed().all_followers([POSITION])  # not of a twin
        self._stages = models.stages() & settings.stages() - store.summary.waiting_stages()
        self._pipeline: Pipeline | None = None
        self._stopped = False
        self._claims: dict[int, records.Claim] = {}  # of the contents in flight
        self._had: dict[int, frozenset[str]] = {}  # content in flight -> stages that had results before
        self._notes: dict[int, str | None] = {}  # content -> the note that it is described with
        self._requeued: set[int] = set()  # contents queued a second time in this run because of a new note
        self._changed: set[bytes] = set()  # see `Described.changed`
        self._order: WorkOrder | None = None

    def run(
        self, on_progress: Callable[[Progress], None] = lambda _: None, decoder: DecodePool | None = None
    ) -> Described:
        """Describe everything that is due, in batches, until nothing is left or `stop` is called.

        Raises ImgretError such as DiskFull: committed batches are kept, the rest stays queued. Claims in flight are
        released on every exit, KeyboardInterrupt included.
        """
        own = None if decoder is not None else decode_pool(self._settings)
        done = failed = 0
        began = time.monotonic()
        disks.look(self._store)
        try:
            self._pipeline = pipeline = Pipeline(
                self._models,
                decoder or own,  # type: ignore[arg-type]
                batch=self._settings.batch,
                known_pixels=lambda job, pixels: self._twin(job.key, pixels, job.stages) is not None,
                costs=self._costs,
            )
            self._order = order = WorkOrder(
                self._store,
                self._stages,
                self._costs,
                pipeline.sample,
                lambda: self._stopped,
                arrivals=self._arrivals,
            )
            for claims in order.runs():
                for batch in pipeline.run(self._jobs(claims)):
                    good, bad = self._save(batch)
                    done, failed = done + good, failed + bad
                    progress = replace(pipeline.stats, done=done + failed, failed=failed)
                    on_progress(replace(progress, seconds=time.monotonic() - began, stages=order.progress()))
                self._activate_spaces()
            return Described(done, failed, self._stopped, frozenset(self._changed))
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

    def _activate_spaces(self) -> None:
        """Search the vectors of a changed model as soon as they cover those of the model before."""
        for stage, identity in self._models.identities().items():
            if registry.installed()[stage].views:
                self._store.vectors.activate_when_complete(identity, stage)

    def _jobs(self, claims: Iterable[records.Claim]) -> Iterator[Job]:
        for claim in claims:
            self._claims[claim.content] = claim
            try:
                job = self._job(claim)
            except ImgretError:
                raise
            except Exception as error:  # bad data stored for one photo must not stop the others
                self._record_unexpected(claim.content, error)
                continue
            yield job

    def _job(self, claim: records.Claim) -> Job:
        store, content = self._store, claim.content
        note = self._notes[content] = store.results.note(content)
        results = stage_results.payloads(store, content)
        self._had[content] = frozenset(results)
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
            urgent=claim.position.request > BACKLOG,
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

    def _save_together(self, batch: list[Outcome]) -> tuple[int, int]:
        done = failed = 0
        offline = disks.offline_folders(self._store) if any(outcome.failures for outcome in batch) else []
        with self._store.writing():
            for outcome in batch:
                path = self._path(outcome.key)
                if outcome.failures and disks.is_inside(path, offline):
                    continue  # its disk went offline: not a failure of the photo, which is tried in the next run
                if any(isinstance(error, FileChanged) for error in outcome.failures.values()):
                    self._try_other_path(outcome.key, path)
                    continue
                complete = self._save_one(outcome)
                failed += bool(outcome.failures)
                done += complete and not outcome.failures
        for outcome in batch:  # only after the commit, because a failed batch is saved one by one
            for kept in (self._claims, self._had, self._notes):
                kept.pop(outcome.key, None)
        return done, failed

    def _path(self, content: int) -> bytes:
        claim = self._claims.get(content)
        return claim.path if claim is not None else b""

    def _try_other_path(self, content: int, path: bytes) -> None:
        """Try another path of a content whose file at `path` has changed, in this run; if it has none, in the next one."""
        self._changed.add(path)
        if self._store.photos.suspect(path, content):
            self._store.work.release([content])
            self._order_again()

    def _order_again(self) -> None:
        if self._order is not None:
            self._order.another_pass = True

    def _save_one(self, outcome: Outcome) -> bool:
        """Save the results of a photo. Return whether nothing of it is left to do in this run."""
        store, content = self._store, outcome.key
        claim = self._claims[content]
        finished: set[str] = set()
        before = store.contents.facts(content)
        if outcome.facts is not None and outcome.pixel_hash is not None:
            store.contents.save_facts(content, outcome.facts, outcome.pixel_hash, outcome.signature)
            finished.add(DECODE)
            self._match_edit(content)
        twin = None
        if outcome.twin and outcome.pixel_hash:
            twin = self._twin(content, outcome.pixel_hash, claim.stages)
        if twin is not None:
            finished |= store.results.copy(twin, content) - self._had.get(content, frozenset())
        read_before = stage_results.payloads(store, content).get(METADATA)
        for stage, result in outcome.results.items():
            stage_results.save(store, content, stage, self._identities[stage], result)
            finished.add(stage)
        if outcome.facts is not None or METADATA in outcome.results:
            read = stage_results.payloads(store, content).get(METADATA)
            photo_metadata.save_date(store, self._settings, content, read)
            if photo_metadata.save_note(store, content, read_before, read, self._note_stages):
                self._order_again()
        moved = photo_metadata.elsewhere(store, content, before, outcome.facts)
        if finished or outcome.failures:  # a photo that cannot be decoded is still found by its name
            store.results.refresh_words(content)
        store.work.done(content, finished)
        outdated = {*registry.installed().all_followers(outcome.results), *moved}
        followers = outdated & self._settings.stages()
        # Those that run now are done; one whose weights are missing now waits with an old result.
        store.work.queue(content, followers - (finished - moved), max(claim.position.request, BACKLOG))
        if not self._stages.isdisjoint(moved):
            self._order_again()
        todo = store.work.of(content)
        stale = self._note_stages.difference(todo)
        if stale and store.results.note(content) != self._notes.get(content):
            # The note was changed meanwhile, so these results are based on the old one.
            store.work.queue(content, stale)
            if content not in self._requeued:  # once per run, so that constant changes cannot keep it running
                self._order_again()
            self._requeued.add(content)
        left = self._stages.intersection(store.work.of(content))
        if outcome.failures:
            # A file that cannot be decoded has failed for every stage.
            of_these = left if DECODE in outcome.failures else left & claim.stages
            reason = "; ".join(dict.fromkeys(error.advice for error in outcome.failures.values()))
            store.work.failed(content, of_these, row_values.unnamed(reason, claim.path), int(time.time()))
        elif left.isdisjoint(claim.stages):
            pass
        elif twin is not None and not left.isdisjoint(self._own_stages):
            store.work.release([content])  # the twin may have another note and another position
            self._order_again()
        return not left

    def _match_edit(self, content: int) -> None:
        """If a content that was just decoded is an edit of an earlier one, give it the note of that one."""
        found = self._traits(content)
        for before in self._store.notes.candidates(content):
            if is_edit(self._traits(before.content), found, same_file=before.same_file):
                self._store.notes.settle(content, before.content)
                return
        self._store.notes.settle(content, None)

    def _traits(self, content: int) -> Traits:
        store = self._store
        return Traits(
            store.contents.facts(content),
            store.results.pixels(content),
            store.contents.look(content),
        )

    def _twin(self, content: int, pixels: bytes, stages: frozenset[str]) -> int | None:
        # Metadata is not copied from a twin, so it does not have to be complete.
        return self._store.results.twin(content, pixels, stages - {METADATA})
