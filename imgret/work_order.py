"""The order in which queued work is claimed: requests first, cheap stages before expensive ones, newest photos first.

A run makes one or more passes over the backlog (`pipeline.passes`). Before each claim, what was requested or has arrived is
claimed: the request with the fewest photos first. A few photos are described completely at once, many of them in passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from imgret.pipeline.passes import Costs, passes, photos_within, seconds_left
from imgret.pipeline.pipeline import StageProgress
from imgret.stages import registry
from imgret.store.interface import Store
from imgret.store.policy import BACKLOG
from imgret.store.records import Claim, Position

SHORT_SECONDS = 60.0  # what is described completely within this time is not divided into passes
CLAIM_SECONDS = 5.0  # of work in one claim: after it, new requests are noticed
CLAIM = 64  # photos in one claim, at most; a killed process loses the work on a few claims at most
_MOST_COUNTED = 1000  # photos of a request


class WorkOrder:
    """Claims the work of one run. A claimed content whose stages are neither finished nor failed stays claimed to the end
    of the run, so that nothing is claimed again and again.
    """

    def __init__(
        self,
        store: Store,
        stages: frozenset[str],
        costs: Costs,
        sample: int,
        stopped: Callable[[], bool],
        on_request: Callable[[], None] = lambda: None,
        *,
        arrivals: bool,
    ) -> None:
        """`sample` photos are described completely first, to measure costs that are unknown. `on_request` is called before
        a claim when a new request was made, which may have taken over photos that are claimed already.

        With `arrivals`, photos that are queued during the run are claimed in it. Without, they are left to the next run.
        """
        self._store = store
        self._stages = stages
        self._costs = costs
        self._sample = sample
        self._sampled = False
        self._stopped = stopped
        self._on_request = on_request
        self._requests_made = store.work.requests_made()
        self._last = None if arrivals else store.work.last()
        self._cursors: dict[tuple[int, frozenset[str]], Position] = {}
        self._swept: set[int] = set()  # requests of which nothing was left a moment ago
        self._waiting: frozenset[str] = frozenset()  # stages with work
        self._finished: frozenset[str] = frozenset()  # stages of the passes so far
        self.another_pass = False  # something was queued that this pass has missed

    def runs(self) -> Iterator[Iterator[Claim]]:
        """Yield the claims of each run of the pipeline: first suspects, each in a run of its own.

        A suspect was in flight when a process died. It runs alone, because if the process dies again, it is the cause.
        """
        tried: set[int] = set()
        self.another_pass = True
        while self.another_pass and not self._stopped():
            suspect = self._store.work.claim_suspect(self._stages, int(time.time()), tried)
            if suspect is not None:
                tried.add(suspect.content)
                yield iter([suspect])
                continue
            self.another_pass = False
            self._finished = frozenset()
            while self._finished < self._stages and not self._stopped():
                yield self._pass(self._stages - self._finished)
            yield self._requested()  # what arrived while the last photos were in flight

    def passes(self, stages: frozenset[str] | None = None) -> list[frozenset[str]]:
        """Divide stages, by default all, into passes, as far as their costs are known."""
        return passes(self._stages if stages is None else stages, self._waiting, self._costs)

    def progress(self) -> tuple[StageProgress, ...]:
        """Return the progress of the stages that are not finished, in the order in which they will be."""
        progress, in_order = self._store.summary.progress(), self.passes()
        waiting = {stage: progress.waiting.get(stage, 0) for stage in self._stages}
        left = seconds_left(waiting, in_order, self._costs)
        return tuple(
            StageProgress(
                stage,
                progress.done(stage),
                progress.contents - progress.failed.get(stage, 0),
                left.get(stage),
            )
            for stages in in_order
            for stage in registry.installed().in_order(stages)
            if waiting[stage]
        )

    def _pass(self, stages: frozenset[str]) -> Iterator[Claim]:
        """Claim the backlog for the first of the passes into which `stages` are divided.

        The costs become known during the pass, so it may grow; what grew too late is left to the next one.
        """
        few = self._count_waiting() <= self._few()
        after: Position | None = None
        done = stages
        while not self._stopped():
            yield from self._requested()
            sampling = not few and self._takes_sample()
            chosen = stages if few or sampling else self.passes(stages)[0]
            claims = self._claim(chosen, BACKLOG, after, sampling=sampling)
            self._swept.clear()
            if not sampling:
                done &= chosen
            if not claims:
                break
            after = claims[-1].position
            yield from claims
        self._finished |= done

    def _requested(self) -> Iterator[Claim]:
        while not self._stopped() and (claims := self._next_requested()):
            yield from claims

    def _next_requested(self) -> list[Claim]:
        """Claim from the smallest request. One of which nothing is left is tried again after a claim of another."""
        if (made := self._store.work.requests_made()) != self._requests_made:
            self._requests_made = made
            self._on_request()
        found = self._store.work.requests(self._stages, _MOST_COUNTED, last=self._last)
        self._count_waiting()
        for request, count in sorted(found.items(), key=lambda each: (each[1], each[0])):
            if request in self._swept:
                continue
            few = count <= self._few()
            sampling = not few and self._takes_sample()
            for stages in [self._stages] if few or sampling else self.passes():
                claims = self._claim(stages, request, self._cursors.get((request, stages)), sampling=sampling)
                if claims:
                    self._cursors[request, stages] = claims[-1].position
                    self._swept.clear()
                    return claims
            self._cursors = {key: at for key, at in self._cursors.items() if key[0] != request}
            self._swept.add(request)
        return []

    def _claim(
        self, stages: frozenset[str], request: int, after: Position | None, *, sampling: bool
    ) -> list[Claim]:
        most = 0 if sampling else photos_within(CLAIM_SECONDS, stages & self._waiting, self._costs)
        limit = max(self._sample, min(CLAIM, most))
        now = int(time.time())
        return self._store.work.claim(stages, limit, now, request=request, after=after, last=self._last)

    def _takes_sample(self) -> bool:
        """Return, once, whether the next photos are described completely because a cost is unknown."""
        if self._sampled or self._costs.total(self._waiting) is not None:
            return False
        self._sampled = True
        return True

    def _few(self) -> int:
        """Return up to how many photos are described completely at once."""
        return min(
            max(self._sample, photos_within(SHORT_SECONDS, self._waiting, self._costs)), _MOST_COUNTED - 1
        )

    def _count_waiting(self) -> int:
        """Find the stages with work, and return for how many contents at most one of them has."""
        progress = self._store.summary.progress()
        self._waiting = self._stages & {*progress.waiting, *progress.failed}
        return max((progress.waiting.get(stage, 0) for stage in self._stages), default=0)
