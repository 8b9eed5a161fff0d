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

from imgret import disks, stage_results
from imgret.config import Settings
from imgret.decode.edit_detection import Traits, is_edit
from imgret.decode.pool import DecodePool, decode_pool
from imgret.errors import FileChanged, ImgretError
from imgret.limits import as_sentence, shortage
from imgret.pipeline.models import Models
from imgret.pipeline.pipeline import Job, Outcome, Pipeline, Progress
from imgret.requeue import read_notes
from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store import records
from imgret.store.interface import Store

log = logging.getLogger(__name__)

CLAIM = 64  # photos claimed in one transaction; a killed process loses the work on a few such claims at most


class Described(Struct, frozen=True):
    """The result of a run."""

    done: int  # photos described, including those with the pixels of another photo
    failed: int
    interrupted: bool = False
    changed: frozenset[bytes] = (
        frozenset()
    )  # paths whose file is not the one in the index: to be scanned again


class Ingest:
    """Describes the due photos of one index with one set of models. Used only by the thread that created it."""

    def __init__(self, store: Store, settings: Settings, models: Models) -> None:
        """Start nothing yet. The caller closes the models."""
        self._store = store
        self._settings = settings
        self._models = models
        self._note_stages = read_notes(settings)
        self._stages = models.stages() & settings.stages() - store.summary.waiting_stages()
        self._pipeline: Pipeline | None = None
        self._stopped = False
        self._paths: dict[int, bytes] = {}  # of the contents in flight
        self._notes: dict[int, str | None] = {}  # content -> the note that it is described with
        self._requeued: set[int] = set()  # contents queued a second time in this run because of a new note
        self._changed: set[bytes] = set()  # see `Described.changed`
        self._another_pass = False  # something was queued that this pass of the queue has missed

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
        try:
            self._pipeline = pipeline = Pipeline(
                self._models,
                decoder or own,  # type: ignore[arg-type]
                batch=self._settings.batch,
                known_pixels=lambda content, pixels: self._twin(content, pixels) is not None,
            )
            for jobs in self._runs():
                for batch in pipeline.run(jobs):
                    good, bad = self._save(batch)
                    done, failed = done + good, failed + bad
                    seconds = time.monotonic() - began
                    on_progress(replace(pipeline.stats, done=done + failed, failed=failed, seconds=seconds))
            for stage in self._models:
                if registry.installed()[stage].views:
                    self._store.vectors.activate_when_complete(self._models[stage].identity, stage)
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

    def _runs(self) -> Iterator[Iterable[Job]]:
        """Yield the jobs of each pipeline run: first suspects, each in a run of its own.

        A suspect was in flight when a process died. It runs alone, because if the process dies again, it is the cause.
        """
        tried: set[int] = set()
        last = self._store.work.last()  # photos queued later are left to the next run, so that this one ends
        self._another_pass = True
        while self._another_pass and not self._stopped:
            suspect = self._store.work.claim_suspect(self._stages, int(time.time()), tried)
            if suspect is not None:
                tried.add(suspect.content)
                yield self._prepared([suspect])
                continue
            self._another_pass = False
            yield self._jobs(last)

    def _jobs(self, last: int) -> Iterator[Job]:
        after = 0
        while not self._stopped:
            claims = self._store.work.claim(self._stages, CLAIM, int(time.time()), after=after, last=last)
            if not claims:
                return
            after = max(after, claims[-1].content)
            yield from self._prepared(claims)

    def _prepared(self, claims: Iterable[records.Claim]) -> Iterator[Job]:
        for claim in claims:
            self._paths[claim.content] = claim.path
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
        return Job(
            key=content,
            path=claim.path,
            stages=claim.stages,
            results=stage_results.payloads(store, content),
            note=note,
            names=store.results.names(content),
            content_hash=store.contents.hash_of(content),
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
        name = os.fsdecode(self._paths.get(content, b""))
        log.error("%s failed", name, exc_info=error)
        reason = f"{name}: {as_sentence(error)}"
        self._store.work.failed(content, self._store.work.of(content), reason, int(time.time()))

    def _save_together(self, batch: list[Outcome]) -> tuple[int, int]:
        done = failed = 0
        offline = disks.offline_folders(self._store) if any(outcome.failures for outcome in batch) else []
        with self._store.writing():
            for outcome in batch:
                path = self._paths.get(outcome.key, b"")
                if outcome.failures and disks.is_inside(path, offline):
                    self._store.work.release(
                        [outcome.key]
                    )  # its disk went offline: not a failure of the photo
                elif any(isinstance(error, FileChanged) for error in outcome.failures.values()):
                    self._try_other_path(outcome.key, path)
                else:
                    self._save_one(outcome)
                    failed += bool(outcome.failures)
                    done += not outcome.failures
        for outcome in batch:  # only after the commit, because a failed batch is saved one by one
            self._paths.pop(outcome.key, None)
            self._notes.pop(outcome.key, None)
        return done, failed

    def _try_other_path(self, content: int, path: bytes) -> None:
        """Release a content whose file at `path` has changed. Another path of it, if any, is tried in this run."""
        self._store.work.release([content])
        self._changed.add(path)
        self._another_pass |= self._store.photos.suspect(path, content)

    def _save_one(self, outcome: Outcome) -> None:
        store, content = self._store, outcome.key
        finished: set[str] = set()
        if outcome.facts is not None and outcome.pixel_hash is not None:
            store.contents.save_facts(content, outcome.facts, outcome.pixel_hash, outcome.signature)
            finished.add(DECODE)
            self._match_edit(content)
        twin = self._twin(content, outcome.pixel_hash) if outcome.twin and outcome.pixel_hash else None
        if twin is not None:
            finished |= store.results.copy(twin, content)
        for stage, result in outcome.results.items():
            stage_results.save(store, content, stage, self._models[stage].identity, result)
            finished.add(stage)
        if finished or outcome.failures:  # a photo that cannot be decoded is still found by its name
            store.results.refresh_words(content)
        store.work.done(content, finished)
        followers = registry.installed().all_followers(outcome.results) & self._settings.stages()
        # Those that run now are done; one whose weights are missing now waits with an old result.
        store.work.queue(content, followers - finished)
        todo = store.work.of(content)
        stale = self._note_stages.difference(todo)
        if stale and store.results.note(content) != self._notes.get(content):
            # The note was changed meanwhile, so these results are based on the old one.
            store.work.queue(content, stale)
            self._another_pass |= (
                content not in self._requeued
            )  # once per run, so that constant changes cannot keep it running
            self._requeued.add(content)
        claimed = {stage for stage in store.work.of(content) if stage in self._stages}
        if outcome.failures:
            reason = "; ".join(dict.fromkeys(error.advice for error in outcome.failures.values()))
            store.work.failed(content, claimed, reason, int(time.time()))
        elif claimed:
            store.work.release([content])
            self._another_pass |= twin is not None and not claimed.isdisjoint(
                self._note_stages
            )  # the copied results were made with another note

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

    def _twin(self, content: int, pixels: bytes) -> int | None:
        return self._store.results.twin(content, pixels, self._stages)
