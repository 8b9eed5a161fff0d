"""Saves what was found in a batch of photos, within one transaction of the caller.

Each step is done for all photos before the next one: what a step reads of all photos, a server reads with one statement,
and what it writes, with one for each table. No step of a photo depends on a later step of another photo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from imgret import photo_metadata, stage_results
from imgret.config import Settings
from imgret.decode.edit_detection import Traits, is_edit
from imgret.photo import Facts, Metadata, ModelIdentity
from imgret.pipeline.pipeline import Outcome
from imgret.requeue import read_notes
from imgret.stages import registry
from imgret.stages.interface import DECODE, POSITION
from imgret.stages.metadata import NAME as METADATA
from imgret.store import records, row_values
from imgret.store.interface import Store
from imgret.store.policy import BACKLOG

VANISHED_SECONDS = 86_400  # since a deletion: a photo that arrives then may be a copy of the deleted one
MOST_VANISHED = 100  # deleted photos that each new one is compared with


class InFlight(Struct):
    """A photo that is being described, as it was in the index when that began."""

    claim: records.Claim
    had: frozenset[str] = frozenset()  # stages with results
    note: str | None = None


class _Saved(Struct):
    """A photo whose results are being saved."""

    outcome: Outcome
    before: InFlight
    facts: Facts | None  # in the index before
    metadata: Metadata | None  # in the index before
    finished: set[str]
    twin: int | None = None
    left: frozenset[str] = frozenset()  # stages that this run has still to do

    @property
    def content(self) -> int:
        return self.outcome.key


class BatchSaver:
    """Saves batches of one run."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        identities: Mapping[str, ModelIdentity],
        stages: Collection[str],
        order_again: Callable[[], None],
    ) -> None:
        """`stages` are those of the run; `order_again` is called when photos must be described again in this run."""
        self._store = store
        self._settings = settings
        self._identities = identities
        self._stages = frozenset(stages)
        self._note_stages = read_notes(settings)
        self._own_stages = self._note_stages | registry.installed().all_followers([POSITION])  # not of a twin
        # of photos with notes that were deleted; None: not read yet
        self._vanished: dict[int, Traits] | None = None
        self._requeued: set[int] = set()  # contents queued a second time in this run because of a new note
        self._order_again = order_again

    def save(self, batch: Sequence[tuple[Outcome, InFlight]]) -> list[bool]:
        """Save the results of each photo. Return for each whether nothing of it is left to do in this run.

        Call it within `Store.writing()`.
        """
        self._vanished = None
        self._store.expect([outcome.key for outcome, _ in batch])
        photos = [self._save_facts(outcome, before) for outcome, before in batch]
        for step in (self._save_results, self._save_metadata, self._finish_work, self._settle_work):
            for photo in photos:
                step(photo)
        return [not photo.left for photo in photos]

    def twin(self, content: int, pixels: bytes, stages: frozenset[str]) -> int | None:
        """Return another content with these pixels of which all `stages` are done."""
        # Metadata is not copied from a twin, so it does not have to be complete.
        return self._store.results.twin(content, pixels, stages - {METADATA})

    def _save_facts(self, outcome: Outcome, before: InFlight) -> _Saved:
        store, content = self._store, outcome.key
        read: Metadata | None = stage_results.payload(store, content, METADATA)
        photo = _Saved(outcome, before, store.contents.facts(content), read, set())
        if outcome.facts is not None and outcome.pixel_hash is not None:
            previous = store.notes.candidates(content)
            store.contents.save_facts(content, outcome.facts, outcome.pixel_hash, outcome.signature)
            photo.finished.add(DECODE)
            if not self._match_edit(content, previous) and photo.facts is None:
                request = before.claim.position.request
                if request != BACKLOG:  # in a first scan nothing has replaced anything
                    self._match_vanished(content)
        return photo

    def _save_results(self, photo: _Saved) -> None:
        outcome, content = photo.outcome, photo.content
        if outcome.twin and outcome.pixel_hash:
            photo.twin = self.twin(content, outcome.pixel_hash, photo.before.claim.stages)
        if photo.twin is not None:
            photo.finished |= self._store.results.copy(photo.twin, content) - photo.before.had
        for stage, result in outcome.results.items():
            stage_results.save(self._store, content, stage, self._identities[stage], result)
            photo.finished.add(stage)

    def _save_metadata(self, photo: _Saved) -> None:
        store, content = self._store, photo.content
        if photo.outcome.facts is not None or METADATA in photo.outcome.results:
            read = stage_results.payload(store, content, METADATA)
            photo_metadata.save_date(store, self._settings, content, read)
            if photo_metadata.save_note(store, content, photo.metadata, read, self._note_stages):
                self._order_again()

    def _finish_work(self, photo: _Saved) -> None:
        store, outcome, content = self._store, photo.outcome, photo.content
        moved = photo_metadata.elsewhere(store, content, photo.facts, outcome.facts)
        if photo.finished or outcome.failures:  # a photo that cannot be decoded is still found by its name
            store.results.refresh_words(content)
        store.work.done(content, photo.finished)
        outdated = {*registry.installed().all_followers(outcome.results), *moved}
        followers = outdated & self._settings.stages()
        request = max(photo.before.claim.position.request, BACKLOG)
        # Those that run now are done; one whose weights are missing now waits with an old result.
        store.work.queue(content, followers - (photo.finished - moved), request)
        if not self._stages.isdisjoint(moved):
            self._order_again()

    def _settle_work(self, photo: _Saved) -> None:
        store, outcome, content, claim = self._store, photo.outcome, photo.content, photo.before.claim
        stale = self._note_stages.difference(store.work.of(content))
        if stale and store.results.note(content) != photo.before.note:
            # The note was changed meanwhile, so these results are based on the old one.
            store.work.queue(content, stale)
            if content not in self._requeued:  # once per run, so that constant changes cannot keep it running
                self._order_again()
            self._requeued.add(content)
        photo.left = self._stages.intersection(store.work.of(content))
        if outcome.failures:
            # A file that cannot be decoded has failed for every stage.
            of_these = photo.left if DECODE in outcome.failures else photo.left & claim.stages
            reason = "; ".join(dict.fromkeys(error.advice for error in outcome.failures.values()))
            store.work.failed(content, of_these, row_values.unnamed(reason, claim.path), int(time.time()))
        elif photo.left.isdisjoint(claim.stages):
            pass
        elif photo.twin is not None and not photo.left.isdisjoint(self._own_stages):
            store.work.release([content])  # the twin may have another note and another position
            self._order_again()

    def _match_edit(self, content: int, previous: Sequence[records.PreviousContent]) -> bool:
        """If a content that was just decoded is an edit of an earlier one, give it the note of that one. Return whether it is."""
        for before in previous:
            if is_edit(self._traits(before.content), self._traits(content), same_file=before.same_file):
                self._store.notes.settle(content, before.content)
                return True
        self._store.notes.settle(content, None)
        return False

    def _match_vanished(self, content: int) -> None:
        """If a new photo looks like one with a note that was deleted meanwhile, report the note as lost: it may be a resized copy."""
        if self._vanished is None:
            contents = self._store.notes.vanished(int(time.time()) - VANISHED_SECONDS, MOST_VANISHED)
            self._vanished = {each: self._traits(each) for each in contents}
        if self._vanished:
            ours = self._traits(content)
            for other, theirs in self._vanished.items():
                if is_edit(theirs, ours, same_file=False):
                    self._store.notes.may_belong(other, content)

    def _traits(self, content: int) -> Traits:
        store = self._store
        return Traits(
            store.contents.facts(content),
            store.results.pixels(content),
            store.contents.look(content),
        )
