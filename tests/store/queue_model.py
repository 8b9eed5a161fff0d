"""What the work queue must contain: a dictionary, and its comparison with what connections find."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis.stateful import RuleBasedStateMachine, invariant
from store_library import EMBED, NOW, STAGES, TOPICS

from imgret.store import policy, records
from imgret.store.interface import Store

TEXT = frozenset({TOPICS, EMBED})
FREE, ALONE, TOGETHER, SUSPECT = "free", "alone", "together", "suspect"


@dataclass
class Todo:
    """The state of one stage of one content in the model."""

    attempts: int = 0
    not_before: int = 0
    error: str | None = None
    state: str = FREE
    request: int = policy.BACKLOG

    @property
    def claimed(self) -> bool:
        return self.state in (ALONE, TOGETHER)


class QueueModel(RuleBasedStateMachine):
    """The dictionary, for two connections `store` and `other`."""

    store: Store
    other: Store

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.todo: dict[int, dict[str, Todo]] = {}
        self.paths: dict[int, bytes] = {}  # of each content that was ever saved
        self.deleted: set[int] = set()
        self.offline = False
        self.dates: dict[int, int] = {}  # of contents that were decoded; the others have that of their file

    def rows(self) -> list[Todo]:
        return [each for stages in self.todo.values() for each in stages.values()]

    def in_flight(self) -> list[int]:
        return [c for c, stages in self.todo.items() if any(each.claimed for each in stages.values())]

    def due(self, content: int, stages: set[str]) -> set[str]:
        """The stages of a content that may be claimed now, whoever holds them."""
        if self.offline or content in self.deleted:
            return set()
        return {
            stage
            for stage, each in self.todo[content].items()
            if stage in stages and each.not_before <= self.now and each.attempts < policy.MAX_ATTEMPTS
        }

    def position(
        self, content: int, stages: set[str], request: int | None, after: records.Position | None = None
    ) -> records.Position | None:
        """The first position of what is due of a content in a request, after another; None if there is nothing."""
        found = [self.todo[content][stage].request for stage in self.due(content, stages)]
        if request is not None:
            found = [each for each in found if each == request or each < request == policy.BACKLOG]
        positions = [records.Position(each, self.dates.get(content, 0), content) for each in found]
        return max((each for each in positions if after is None or each < after), default=None)

    @invariant()
    def both_connections_find_the_same(self) -> None:
        waiting: dict[str, int] = {}
        for content, stages in self.todo.items():
            for stage, each in stages.items():
                if content not in self.deleted and each.attempts < policy.MAX_ATTEMPTS:
                    waiting[stage] = waiting.get(stage, 0) + 1
        for store in (self.store, self.other):
            for content, stages in self.todo.items():
                found = store.work.of(content)
                assert found == {
                    stage: (each.attempts, each.not_before, each.error) for stage, each in stages.items()
                }
            assert store.work.waiting() == waiting
            assert store.work.last() == max((c for c, stages in self.todo.items() if stages), default=0)
            for stages in (STAGES, TEXT):
                due = [content for content in self.todo if self.due(content, set(stages))]
                assert store.work.due(stages, self.now) == len(due)
            self.compare_progress(store)
            self.compare_requests(store)
            self.compare_failures(store)

    def compare_progress(self, store: Store) -> None:
        living = [content for content in self.todo if content not in self.deleted]
        counts: tuple[dict[str, int], dict[str, int]] = {}, {}
        for content in living:
            for stage, each in self.todo[content].items():
                of_state = counts[each.error is not None]
                of_state[stage] = of_state.get(stage, 0) + 1
        assert store.summary.progress() == records.Progress(len(living), *counts)

    def request_counts(self) -> dict[int, int]:
        """The requests, and for how many contents that stage of each waits for which most wait."""
        used = {each.request for each in self.rows() if each.request > policy.BACKLOG}
        return {
            request: max(
                sum(
                    each.request == request and each.state == FREE
                    for stages in self.todo.values()
                    for name, each in stages.items()
                    if name == stage
                )
                for stage in STAGES
            )
            for request in used
        }

    def compare_requests(self, store: Store) -> None:
        counts = self.request_counts()
        assert store.work.requests(STAGES, 2) == {
            request: min(2, count) for request, count in counts.items() if count
        }
        for waiting in (set(), TEXT):
            assert store.work.requested_below([b"/p"], waiting) == {
                content
                for content, stages in self.todo.items()
                if not self.offline and content not in self.deleted
                if not any(each.error for each in stages.values())
                if any(
                    each.request > policy.ARRIVED for stage, each in stages.items() if stage not in waiting
                )
            }
        assert store.work.request_of(self.todo) == {
            content: max(each.request for each in stages.values())
            for content, stages in self.todo.items()
            if stages
        }
        for request in counts:
            assert store.work.left_of(request) == sum(
                any(each.request == request for each in stages.values())
                for content, stages in self.todo.items()
                if not self.offline and content not in self.deleted
            )

    def compare_failures(self, store: Store) -> None:
        wanted = []
        for content, stages in self.todo.items():
            failed = [
                (-each.attempts, -each.not_before, stage, each.error)
                for stage, each in stages.items()
                if each.error is not None
            ]
            if failed and content not in self.deleted:
                attempts, not_before, stage, error = min(failed)
                aside = -attempts >= policy.MAX_ATTEMPTS
                wanted.append(
                    records.Failure(self.paths[content], stage, error or "", -attempts, -not_before, aside)
                )
        assert store.failures.all() == sorted(wanted, key=lambda failure: failure.path)
