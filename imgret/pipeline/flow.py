"""One run of the pipeline: tracks the photos in flight, and limits how many there are.

A photo counts against the window from the moment it is passed to the decoder until its batch is saved (the
caller requests the next one), and pixels count against a limit in bytes. This bounds the memory whichever part is the
slowest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import Protocol, TypeAlias

from imgret.decode.decoder_handle import Decoded
from imgret.errors import ImgretError, PhotoError
from imgret.limits import as_sentence
from imgret.pipeline.describer import Describer
from imgret.pipeline.jobs import Draft, Job, Outcome
from imgret.pipeline.passes import Costs
from imgret.pipeline.ready import Ready
from imgret.pipeline.same_pixels import SamePixels
from imgret.stages.interface import DECODE, Result

_PIXEL_BYTES = 512 << 20  # of decoded images that wait for a model
_LEAST_WINDOW = 32  # photos in flight at once
_MOST_WAITING = 256  # photos that wait for others with the same pixels
_SETTLED = 64  # outcomes that needed no model are saved in batches of this size
_SETTLED_SECONDS = 0.5  # or this long after the first of them
_LINGER_SHARE = 0.1  # wait for a fuller batch for this share of the time of the last batch
_LINGER_SECONDS = (0.25, 0.5)  # initially, at most; no wait if nothing is being decoded


class Decoder(Protocol):
    """The part of `imgret.decode.pool.DecodePool` that is used here."""

    def submit(
        self,
        path: bytes,
        expected: bytes | None = None,
        *,
        sidecars: Sequence[bytes] = (),
        with_pixels: bool = True,
    ) -> Future[Decoded]:
        """Start decoding a file. The future raises PhotoError if the file cannot be decoded."""
        ...


# a decoded file, a described batch, the exception that ended a describing thread, or None to wake the caller
_Event: TypeAlias = "tuple[Draft, Future[Decoded]] | list[Outcome] | BaseException | None"


class Run:
    """One run. `describe` runs in the describing threads, everything else in the caller's; they share `inbox` and `ready`."""

    def __init__(
        self,
        decoder: Decoder,
        known_pixels: Callable[[Job, bytes], bool] | None,
        describers: Sequence[Describer],
        stages: frozenset[str],
        pixel_stages: frozenset[str],
        decoder_stages: frozenset[str],
        costs: Costs,
    ) -> None:
        self.inbox: SimpleQueue[_Event] = SimpleQueue()
        self.ready = Ready()
        self.decoding: set[Future[Decoded]] = set()
        self.in_flight = 0  # started and not saved
        self.done = 0
        self.failed = 0
        self.began = time.monotonic()
        self.stopping = False
        self.abandoned = False
        self._decoder = decoder
        self._known_pixels = known_pixels
        self._describers = describers
        self._with_model = stages - decoder_stages - {DECODE}
        self._pixel_stages = pixel_stages
        self._decoder_stages = decoder_stages
        self._costs = costs
        self.same = SamePixels()
        self._drafts: dict[int, Draft] = {}  # in flight, by the key of their job
        self._settled: list[Outcome] = []  # outcomes that needed no model
        self._settled_since = 0.0
        self._mean_bytes = 2 << 20  # of a decoded image

    def batches(self, jobs: Iterable[Job]) -> Iterator[list[Outcome]]:
        """Process the jobs, and yield batches of outcomes to save."""
        source, exhausted = iter(jobs), False
        while not self.stopping:
            starting = not exhausted and self._may_start()
            if starting:
                job = next(source, None)
                exhausted = job is None
                if job is not None:
                    self._start(job)
            elif exhausted and self.in_flight == len(self._settled):
                break
            if outcomes := self._next(wait=not starting):
                yield from self._saved(outcomes)
            if self._settled and (
                len(self._settled) >= _SETTLED or time.monotonic() - self._settled_since > _SETTLED_SECONDS
            ):
                yield from self._flush()
        yield from self._flush()

    def leftovers(self) -> Iterator[list[Outcome]]:
        """Yield what the describing threads had in flight, after a stop and after they have ended."""
        while not self.inbox.empty():
            event = self.inbox.get()
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, list):
                yield from self._saved(event)

    def raise_precedence(self, found: Mapping[int, int]) -> None:
        """Give drafts in flight, by key, at least this precedence, and with them those for which they wait."""
        for key in found.keys() & self._drafts.keys():
            draft = self._drafts[key]
            draft.precedence = max(draft.precedence, found[key])
        self.same.raise_firsts()

    def close(self) -> None:
        """Stop decoding and describing."""
        self.ready.close()
        for future in list(self.decoding):
            future.cancel()

    def describe(self, describer: Describer) -> None:
        """Describe batches until `close`; the main function of a describing thread."""
        linger = _LINGER_SECONDS[0]
        try:
            while (drafts := self.ready.take(describer.photos, linger)) is not None:
                began = time.monotonic()
                self.inbox.put(describer.describe(drafts, lambda: self.abandoned))
                self.ready.done(len(drafts))
                linger = min(_LINGER_SHARE * (time.monotonic() - began), _LINGER_SECONDS[1])
        except BaseException as error:  # ends this thread; raised again in the caller's
            self.inbox.put(error)

    def _may_start(self) -> bool:
        window = max(_LEAST_WINDOW, 3 * sum(describer.photos for describer in self._describers))
        pixels = self.ready.pixel_bytes + len(self.decoding) * self._mean_bytes
        begun = self.in_flight - len(self._settled) - self.same.count
        return begun == 0 or (begun < window and pixels < _PIXEL_BYTES and self.same.count < _MOST_WAITING)

    def _start(self, job: Job) -> None:
        self.in_flight += 1
        draft, before = Draft(job), self._drafts.get(job.key)
        if before is not None:  # it is decoded again
            draft.precedence = before.precedence
        self._drafts[job.key] = draft
        with_pixels = DECODE in job.stages or not job.stages.isdisjoint(self._pixel_stages)
        if with_pixels or not job.stages.isdisjoint(self._decoder_stages):
            future = self._decoder.submit(
                job.path, job.content_hash, sidecars=job.sidecars, with_pixels=with_pixels
            )
            self.decoding.add(future)
            self.ready.expect(1)
            future.add_done_callback(lambda done: self.inbox.put((draft, done)))
        else:
            self._place(draft)

    def _next(self, *, wait: bool) -> list[Outcome]:
        """Handle one event, if there is one. Return the outcomes of a batch, or an empty list."""
        try:
            event = self.inbox.get(block=wait, timeout=_SETTLED_SECONDS if self._settled else None)
        except Empty:
            return []
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, tuple):
            self._decoded(*event)
            return []
        return event or []

    def _decoded(self, draft: Draft, future: Future[Decoded]) -> None:
        self.decoding.discard(future)
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            decoded, job = future.result(), draft.job
            for stage in job.stages & self._decoder_stages:
                draft.results[stage] = Result(decoded.metadata)
                self._costs.add(stage, 0.0 if decoded.pixels.size else decoded.seconds, 1)
            if not decoded.pixels.size:
                self._place(draft)
                self.ready.expect(-1)
                return
            self._costs.add(DECODE, decoded.seconds, 1)
            draft.facts, draft.pixel_hash, draft.signature = (
                decoded.facts,
                decoded.pixel_hash,
                decoded.signature,
            )
            # Results that are there already are only replaced by those of a model.
            of_models = job.stages - self._decoder_stages
            first = DECODE in job.stages or job.results.keys().isdisjoint(of_models)
            may_copy = self._known_pixels if first else None
            if may_copy is not None and may_copy(job, decoded.pixel_hash):
                self._settle(draft.outcome(twin=True))
            elif may_copy is None or not self.same.waits(draft):
                self._mean_bytes += (decoded.pixels.nbytes - self._mean_bytes) // 8
                draft.pixels = decoded.pixels if job.stages & self._pixel_stages else None
                self._place(draft)
        elif isinstance(error, PhotoError):
            draft.failures[DECODE] = error
            self._settle(draft.outcome())
        elif isinstance(error, (CancelledError, ImgretError)):
            raise error
        else:  # an error in this process, such as too little memory for the pixels: only this file fails
            reason = PhotoError(f"{os.fsdecode(draft.job.path)}: {as_sentence(error)}", transient=True)
            draft.failures[DECODE] = reason
            self._settle(draft.outcome())
        self.ready.expect(-1)

    def _place(self, draft: Draft) -> None:
        """Pass a photo to the models, if one of its stages has one."""
        if draft.job.stages & self._with_model:
            self.ready.offer(draft)
        else:
            self._settle(draft.outcome())

    def _settle(self, outcome: Outcome) -> None:
        if not self._settled:
            self._settled_since = time.monotonic()
        self._settled.append(outcome)

    def _flush(self) -> Iterator[list[Outcome]]:
        if self._settled:
            outcomes, self._settled = self._settled, []
            yield from self._saved(outcomes)

    def _saved(self, outcomes: list[Outcome]) -> Iterator[list[Outcome]]:
        """Yield a batch to the caller. It counts as saved when the caller requests the next one."""
        yield outcomes
        self.in_flight -= len(outcomes)
        for outcome in outcomes:
            self._drafts.pop(outcome.key, None)
            self._continue_copies(self.same.saved(outcome.key))
        self.done += len(outcomes)
        self.failed += sum(bool(outcome.failures) for outcome in outcomes)

    def _continue_copies(self, copies: list[Draft]) -> None:
        """Continue with the photos that waited for another one with the same pixels."""
        for at, draft in enumerate(copies):
            assert self._known_pixels is not None
            assert draft.pixel_hash is not None
            if self._known_pixels(draft.job, draft.pixel_hash):
                self._settle(draft.outcome(twin=True))
            elif not self.stopping:  # the other one failed, or fewer of its stages were due
                self.same.describe(draft, copies[at + 1 :])
                self.in_flight -= 1
                self._start(draft.job)
                return
