"""One run of the pipeline: who holds which photo, and when the next may begin.

A photo counts against the window from the moment it is handed to the decoder until its batch was saved (the
caller asked for the next one), and pixels count against a budget of bytes: that bounds memory whoever
is slowest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import Protocol, TypeAlias

from imgret.decode.decoder_handle import Decoded
from imgret.errors import ImgretError, PhotoError
from imgret.limits import as_sentence
from imgret.pipeline.describer import Describer
from imgret.pipeline.jobs import Draft, Job, Outcome
from imgret.pipeline.ready import Ready
from imgret.stages.interface import DECODE

_PIXEL_BYTES = 512 << 20  # of decoded pictures that wait for a model
_LEAST_WINDOW = 32  # photos on their way at once
_SETTLED = 64  # outcomes without a model that make a batch of their own
_SETTLED_SECONDS = 0.5  # or so long after the first of them
_LINGER_SHARE = 0.1  # of the last batch's time, to wait for a fuller one
_LINGER_SECONDS = (0.25, 0.5)  # at first, at most; what nothing more is decoded for waits not at all


class Decoder(Protocol):
    """`imgret.decode.pool.DecodePool`, as far as it matters here."""

    def submit(self, path: bytes, expected: bytes | None = None) -> Future[Decoded]:
        """The future fails with a PhotoError when the file cannot be decoded."""
        ...


# a decoded file, a described batch, the death of a describing thread, or a mere wake-up
_Event: TypeAlias = "tuple[Draft, Future[Decoded]] | list[Outcome] | BaseException | None"


class Run:
    """One run. All but `describe` belongs to the caller's thread; `inbox` and `ready` lie between."""

    def __init__(
        self,
        decoder: Decoder,
        known_pixels: Callable[[int, bytes], bool] | None,
        describers: Sequence[Describer],
        stages: frozenset[str],
        looking: frozenset[str],
    ) -> None:
        self.inbox: SimpleQueue[_Event] = SimpleQueue()
        self.ready = Ready()
        self.decoding: set[Future[Decoded]] = set()
        self.underway = 0  # begun and not saved
        self.done = 0
        self.failed = 0
        self.began = time.monotonic()
        self.stopping = False
        self.abandoned = False
        self._decoder = decoder
        self._known_pixels = known_pixels
        self._describers = describers
        self._stages = stages
        self._looking = looking
        self._settled: list[Outcome] = []  # outcomes that needed no model
        self._settled_since = 0.0
        self._mean_bytes = 2 << 20  # of a decoded picture

    def batches(self, jobs: Iterable[Job]) -> Iterator[list[Outcome]]:
        """Everything from the jobs to what is to be saved."""
        source, exhausted = iter(jobs), False
        while not self.stopping:
            beginning = not exhausted and self._has_room()
            if beginning:
                job = next(source, None)
                exhausted = job is None
                if job is not None:
                    self._begin(job)
            elif exhausted and self.underway == len(self._settled):
                break
            if outcomes := self._next(wait=not beginning):
                yield from self._saved(outcomes)
            if self._settled and (
                len(self._settled) >= _SETTLED or time.monotonic() - self._settled_since > _SETTLED_SECONDS
            ):
                yield from self._flush()
        yield from self._flush()

    def leftovers(self) -> Iterator[list[Outcome]]:
        """After a stop, when the describing threads have ended: what they had in flight."""
        while not self.inbox.empty():
            event = self.inbox.get()
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, list):
                yield from self._saved(event)

    def close(self) -> None:
        """No further decoding or describing."""
        self.ready.close()
        for future in list(self.decoding):
            future.cancel()

    def describe(self, describer: Describer) -> None:
        """A describing thread."""
        linger = _LINGER_SECONDS[0]
        try:
            while (drafts := self.ready.take(describer.photos, linger)) is not None:
                began = time.monotonic()
                self.inbox.put(describer.describe(drafts, lambda: self.abandoned))
                self.ready.done(len(drafts))
                linger = min(_LINGER_SHARE * (time.monotonic() - began), _LINGER_SECONDS[1])
        except BaseException as error:  # the end of a thread: it is raised again in the caller's
            self.inbox.put(error)

    def _has_room(self) -> bool:
        window = max(_LEAST_WINDOW, 3 * sum(describer.photos for describer in self._describers))
        pixels = self.ready.pixel_bytes + len(self.decoding) * self._mean_bytes
        begun = self.underway - len(self._settled)
        return begun == 0 or (begun < window and pixels < _PIXEL_BYTES)

    def _begin(self, job: Job) -> None:
        self.underway += 1
        draft = Draft(job)
        if DECODE in job.stages or job.stages & self._looking:
            future = self._decoder.submit(job.path, job.content_hash)
            self.decoding.add(future)
            self.ready.expect(1)
            future.add_done_callback(lambda done: self.inbox.put((draft, done)))
        else:
            self._place(draft)

    def _next(self, *, wait: bool) -> list[Outcome]:
        """Handle one event, if there is one: the outcomes of a batch, or nothing to save yet."""
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
            draft.facts, draft.pixel_hash, draft.look = decoded.facts, decoded.pixel_hash, decoded.signature
            if DECODE in job.stages and self._known_pixels is not None:
                twin = self._known_pixels(job.key, decoded.pixel_hash)
            else:
                twin = False
            if twin:
                self._settle(draft.outcome(twin=True))
            else:
                self._mean_bytes += (decoded.pixels.nbytes - self._mean_bytes) // 8
                draft.pixels = decoded.pixels if job.stages & self._looking else None
                self._place(draft)
        elif isinstance(error, PhotoError):
            draft.failures[DECODE] = error
            self._settle(draft.outcome())
        elif isinstance(error, (CancelledError, ImgretError)):
            raise error
        else:  # in our own process: out of memory for the pixels, say; it costs this file alone
            reason = PhotoError(f"{os.fsdecode(draft.job.path)}: {as_sentence(error)}", transient=True)
            draft.failures[DECODE] = reason
            self._settle(draft.outcome())
        self.ready.expect(-1)

    def _place(self, draft: Draft) -> None:
        """To the models, if one of them is wanted."""
        if draft.job.stages & self._stages - {DECODE}:
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
        """Hand a batch to the caller; it is saved when the caller comes back for the next."""
        yield outcomes
        self.underway -= len(outcomes)
        self.done += len(outcomes)
        self.failed += sum(bool(outcome.failures) for outcome in outcomes)
