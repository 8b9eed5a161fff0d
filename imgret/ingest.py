"""Changes -> describe -> save: the one way in, for the daemon and for `imgret index` alike.

`imgret.sync` has brought the index's paths up to date and queued what is to do; here it is claimed,
described and saved. Each batch is one transaction that holds the results *and* their `done`: a kill at
any point loses at most the batches in flight, and those are done again.
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

CLAIM = 64  # photos claimed in one transaction: what a kill can put back into the queue at most, times a few


class Described(Struct, frozen=True):
    """What came of a run."""

    done: int  # photos described, twins included
    failed: int
    interrupted: bool = False
    changed: frozenset[bytes] = frozenset()  # paths where other bytes lie than the index says: look again


class Ingest:
    """Describes what is due in one index with one set of models. Belongs to the thread that made it."""

    def __init__(self, store: Store, settings: Settings, models: Models) -> None:
        """Nothing is started yet; the models stay the caller's."""
        self._store = store
        self._settings = settings
        self._models = models
        self._of_notes = read_notes(settings)
        self._stages = models.stages() & settings.stages() - store.summary.waiting_stages()
        self._pipeline: Pipeline | None = None
        self._stopped = False
        self._paths: dict[int, bytes] = {}  # what is under way, by content
        self._notes: dict[int, str | None] = {}  # the notes with which these are described
        self._anew: set[int] = set()  # what is embedded a second time in this run
        self._changed: set[bytes] = set()  # paths at which other bytes were found
        self._again = False  # something was queued that this run has passed

    def run(
        self, on_progress: Callable[[Progress], None] = lambda _: None, decoder: DecodePool | None = None
    ) -> Described:
        """Describe all that is due, batch by batch, until nothing is left or `stop` is called.

        Raises DiskFull and the like: what was committed by then is safe, the rest stays queued. On
        KeyboardInterrupt too, the claims in flight are given back.
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
        """Finish the batch in flight and return. Any thread and any signal handler may ask."""
        self._stopped = True
        if self._pipeline is not None:
            self._pipeline.stop()

    def _runs(self) -> Iterator[Iterable[Job]]:
        """First what may have killed a process, each in a run of its own: nothing else is in flight with it."""
        tried: set[int] = set()
        last = (
            self._store.work.last()
        )  # photos that keep coming do not keep this run going: they are for the next
        self._again = True
        while self._again and not self._stopped:
            suspect = self._store.work.claim_suspect(self._stages, int(time.time()), tried)
            if suspect is not None:
                tried.add(suspect.content)
                yield self._prepared([suspect])
                continue
            self._again = False
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
            except Exception as error:  # what is stored of one photo must not stop the others
                self._give_up(claim.content, error)
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
        """Save a batch in one transaction; one by one if that fails. -> how many were described, and failed."""
        try:
            return self._save_together(batch)
        except ImgretError:
            raise
        except Exception as error:
            short = shortage(error)
            if short is not None:
                raise short from error
            if len(batch) > 1:
                parts = [self._save([outcome]) for outcome in batch]
                return sum(done for done, _ in parts), sum(failed for _, failed in parts)
            self._give_up(batch[0].key, error)
            return 0, 1

    def _give_up(self, content: int, error: Exception) -> None:
        """This photo failed in a way that nobody foresaw: it is tried again later, as any that failed."""
        name = os.fsdecode(self._paths.get(content, b""))
        log.error("%s failed", name, exc_info=error)
        reason = f"{name}: {as_sentence(error)}"
        self._store.work.failed(content, self._store.work.of(content), reason, int(time.time()))

    def _save_together(self, batch: list[Outcome]) -> tuple[int, int]:
        done = failed = 0
        away = disks.offline_folders(self._store) if any(outcome.failures for outcome in batch) else []
        with self._store.writing():
            for outcome in batch:
                path = self._paths.get(outcome.key, b"")
                if outcome.failures and disks.is_inside(path, away):
                    self._store.work.release([outcome.key])  # the disk is gone, not the photo
                elif any(isinstance(error, FileChanged) for error in outcome.failures.values()):
                    self._look_elsewhere(outcome.key, path)
                else:
                    self._save_one(outcome)
                    failed += bool(outcome.failures)
                    done += not outcome.failures
        for outcome in batch:  # once that is committed: after a failure the batch is saved one by one
            self._paths.pop(outcome.key, None)
            self._notes.pop(outcome.key, None)
        return done, failed

    def _look_elsewhere(self, content: int, path: bytes) -> None:
        """The content was not found at `path`: not its failure. Another path of it is tried in this run."""
        self._store.work.release([content])
        self._changed.add(path)
        self._again |= self._store.photos.suspect(path, content)

    def _save_one(self, outcome: Outcome) -> None:
        store, content = self._store, outcome.key
        finished: set[str] = set()
        if outcome.facts is not None and outcome.pixel_hash is not None:
            store.contents.save_facts(content, outcome.facts, outcome.pixel_hash, outcome.look)
            finished.add(DECODE)
            self._recognize(content)
        twin = self._twin(content, outcome.pixel_hash) if outcome.twin and outcome.pixel_hash else None
        if twin is not None:
            finished |= store.results.copy(twin, content)
        for stage, result in outcome.results.items():
            stage_results.save(store, content, stage, self._models[stage].identity, result)
            finished.add(stage)
        if finished or outcome.failures:  # what cannot be decoded is still found by its name
            store.results.refresh_words(content)
        store.work.done(content, finished)
        followers = registry.installed().all_followers(outcome.results) & self._settings.stages()
        # Those that run now are done; one whose weights are missing now waits with an old result.
        store.work.queue(content, followers - finished)
        todo = store.work.of(content)
        unread = self._of_notes.difference(todo)
        if unread and store.results.note(content) != self._notes.get(content):
            # It was given another note meanwhile, which these results do not know of.
            store.work.queue(content, unread)
            self._again |= content not in self._anew  # once: somebody may write notes for ever
            self._anew.add(content)
        claimed = {stage for stage in store.work.of(content) if stage in self._stages}
        if outcome.failures:
            reason = "; ".join(dict.fromkeys(error.advice for error in outcome.failures.values()))
            store.work.failed(content, claimed, reason, int(time.time()))
        elif claimed:
            store.work.release([content])
            self._again |= twin is not None and not claimed.isdisjoint(self._of_notes)  # their notes differ

    def _recognize(self, content: int) -> None:
        """See what a content just decoded is an edit of: it is given the note."""
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
