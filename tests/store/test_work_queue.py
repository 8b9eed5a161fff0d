"""The work queue: nothing is lost, nothing is done twice, and a file that kills the process is set aside."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from queue_model import ALONE, FREE, SUSPECT, TOGETHER, QueueModel, Todo
from store_engines import Engine
from store_library import (
    DAY,
    EMBED,
    STAGES,
    TOPICS,
    decode,
    digest,
    followers,
    stat,
)

from imgret.store import policy, records

TEXT = frozenset({TOPICS, EMBED})
SOME = st.sets(st.sampled_from(sorted(STAGES)), min_size=1)
WAITS = st.sampled_from([0, 59, 60, 600, 4000, DAY, 2 * DAY])


class Queue(QueueModel):
    """Two connections queue, claim and finish work; a dictionary has what each of them must find."""

    contents: Bundle[int] = Bundle("contents")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._opened = engine.connections(2)
        self.store, self.other = self._opened.__enter__()

    @initialize(target=contents)
    def add_three(self) -> object:
        self.root = self.store.roots.add(b"/p").id
        return multiple(*(self.add() for _ in range(3)))

    def teardown(self) -> None:
        self._opened.__exit__(None, None, None)

    @rule(target=contents)
    def add(self) -> int:
        name = b"%d.jpg" % len(self.paths)
        content, _ = self.store.photos.save(self.root, b"", name, stat(), digest(name.decode()), self.now)
        assert content > max(self.paths, default=0)
        self.paths[content] = b"/p/" + name
        self.todo[content] = {}
        self.queue(content, set(STAGES))
        return content

    @rule(wait=WAITS)
    def wait_and_change_connections(self, wait: int) -> None:
        self.now += wait
        self.store, self.other = self.other, self.store

    @rule(content=contents, stages=SOME, request=st.sampled_from([policy.BACKLOG, policy.ARRIVED]))
    def queue(self, content: int, stages: set[str], request: int = policy.BACKLOG) -> None:
        self.store.work.queue(content, stages, request)
        for stage in stages:
            each = self.todo[content].setdefault(stage, Todo(request=request))
            if each.request == policy.BACKLOG:
                each.request = request

    @rule()
    def request_all(self) -> None:
        counts = self.request_counts()
        made = self.store.work.requests_made()
        number = self.store.work.request([b"/p"])
        assert self.other.work.requests_made() == made + 1
        assert number > max(policy.ARRIVED, *(each.request for each in self.rows()), 0)
        if self.offline:
            return
        pending = [
            stages
            for content, stages in self.todo.items()
            if stages and content not in self.deleted and not any(each.error for each in stages.values())
        ]
        for stages in pending:
            for each in stages.values():
                smaller = each.request > policy.ARRIVED and 0 < counts[each.request] <= len(pending)
                if not smaller:
                    each.request = number

    @rule(content=contents, taken=st.integers(0, 3))
    def decode(self, content: int, taken: int) -> None:
        decode(self.store, content, taken_at=taken)
        self.dates[content] = taken

    @rule(content=contents)
    def delete_or_bring_back(self, content: int) -> None:
        name = self.paths[content].removeprefix(b"/p/")
        if content in self.deleted:
            self.deleted.remove(content)
            found = self.store.photos.save(self.root, b"", name, stat(), digest(name.decode()), self.now)
            assert found == (content, False)
        else:
            self.deleted.add(content)
            self.store.photos.mark_deleted(self.root, b"", [name], self.now)

    @rule()
    def unplug_or_plug_in(self) -> None:
        self.offline = not self.offline
        if self.offline:
            self.store.roots.mark_offline(self.root, "unplugged")
        else:
            self.store.roots.mark_online(self.root, None)

    @rule(
        data=st.data(),
        stages=SOME,
        limit=st.integers(1, 3),
        last=st.none() | st.integers(0, 6),
        later=st.booleans(),
    )
    def claim(self, data: st.DataObject, stages: set[str], limit: int, last: int | None, later: bool) -> None:
        used = {policy.BACKLOG, *(each.request for each in self.rows() if each.request > policy.BACKLOG)}
        request = data.draw(st.none() | st.sampled_from(sorted(used)))
        left = [
            content
            for content in self.todo
            if all(each.state == FREE for each in self.todo[content].values())
            and (last is None or content <= last)
        ]
        free = [position for each in left if (position := self.position(each, stages, request)) is not None]
        after = data.draw(st.sampled_from(sorted(free))) if later and free else None
        positions = {each: self.position(each, stages, request, after) for each in left}
        following = sorted((each for each in positions.values() if each is not None), reverse=True)[:limit]
        wanted = [position.content for position in following]
        alone = len(wanted) == 1 and not self.in_flight()
        if wanted and not alone:
            for each in self.rows():
                each.state = TOGETHER if each.state == ALONE else each.state
        found = self.store.work.claim(stages, limit, self.now, request=request, after=after, last=last)
        assert [claim.content for claim in found] == wanted
        for claim in found:
            assert claim.position == positions[claim.content]
            self.take(claim, stages, ALONE if alone else TOGETHER)

    @precondition(lambda self: not self.in_flight())
    @rule(stages=SOME, tried=st.sets(st.integers(1, 4)))
    def claim_a_suspect(self, stages: set[str], tried: set[int]) -> None:
        wanted = [
            (max(self.todo[content][stage].attempts for stage in due), content)
            for content in self.todo
            if any(each.state == SUSPECT for each in self.todo[content].values())
            and content not in tried
            and (due := self.due(content, stages))
        ]
        claim = self.store.work.claim_suspect(stages, self.now, tried)
        assert (claim.content if claim else None) == (min(wanted)[1] if wanted else None)
        if claim is not None:
            self.take(claim, stages, ALONE)

    def take(self, claim: records.Claim, stages: set[str], state: str) -> None:
        due = self.due(claim.content, stages)
        todo = due | {follower for stage in due for follower in followers(stage) & stages}
        assert claim == records.Claim(
            claim.content, self.paths[claim.content], frozenset(todo), claim.position
        )
        for stage in todo:
            first = Todo(request=max(claim.position.request, policy.BACKLOG))
            each = self.todo[claim.content].setdefault(stage, first)
            each.attempts += 1
            each.state = state

    @precondition(lambda self: self.in_flight())
    @rule(data=st.data(), stages=SOME)
    def finish(self, data: st.DataObject, stages: set[str]) -> None:
        content = data.draw(st.sampled_from(self.in_flight()))
        self.store.work.done(content, stages)
        for stage in stages:
            self.todo[content].pop(stage, None)

    @precondition(lambda self: self.in_flight())
    @rule(data=st.data(), error=st.sampled_from(["truncated", "no memory"]))
    def fail(self, data: st.DataObject, error: str) -> None:
        content = data.draw(st.sampled_from(self.in_flight()))
        claimed = [stage for stage, each in self.todo[content].items() if each.claimed]
        self.store.work.failed(content, claimed, error, self.now)
        for stage in claimed:
            each = self.todo[content][stage]
            pause = policy.PAUSES[min(each.attempts, policy.MAX_ATTEMPTS) - 1]
            self.todo[content][stage] = Todo(each.attempts, self.now + pause, error, request=policy.FAILED)

    @rule(content=contents)
    def release_one(self, content: int) -> None:
        self.store.work.release([content])
        self.give_back(self.todo[content].values())

    @rule()
    def release_all(self) -> None:
        self.store.work.release()
        self.give_back(self.rows())

    def give_back(self, rows: object) -> None:
        for each in rows:  # type: ignore[attr-defined]
            if each.claimed:
                each.attempts, each.state = max(each.attempts - 1, 0), FREE

    @rule()
    def die(self) -> None:
        """The process ends, and another one begins."""
        self.store.work.recover()
        for each in self.rows():
            if each.state == TOGETHER:
                each.attempts = max(each.attempts - 1, 0)  # `retry` may have set it to 0 meanwhile
            if each.claimed:
                each.state = SUSPECT
            if each.attempts >= policy.MAX_ATTEMPTS and each.error is None:
                each.error, each.state, each.request = policy.CRASHED, FREE, policy.FAILED

    @rule()
    def retry(self) -> None:
        failed = [c for c, stages in self.todo.items() if any(each.error for each in stages.values())]
        assert self.store.failures.retry() == len(set(failed) - self.deleted)
        for each in self.rows():
            if each.error is not None:
                each.attempts, each.not_before, each.error, each.request = 0, 0, None, policy.ARRIVED


def test_the_queue_is_as_a_dictionary_has_it(engine: Engine) -> None:
    run_state_machine_as_test(
        lambda: Queue(engine),
        settings=settings(max_examples=engine.examples(60), stateful_step_count=25, deadline=None),
    )
