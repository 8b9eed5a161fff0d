"""The work table: nothing lost, nothing twice, poison set aside, the innocent spared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.photo import Fingerprint, ModelIdentity, Stage
from imgret.store.sqlite import failures, photos, results, roots, work
from imgret.store.sqlite.connection import Index

ALL = frozenset(Stage)
TEXT = frozenset({Stage.TOPICS, Stage.EMBED})
NOW = 1_000_000


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(str(tmp_path / "index.db")) as opened:
        yield opened


def add(index: Index, count: int, stages: frozenset[Stage] = ALL) -> list[int]:
    root = roots.add(index, b"/p")
    contents = []
    for number in range(count):
        name = b"%d.jpg" % number
        content, _ = photos.save(index, root.id, b"", name, Fingerprint(1, 1, 1, 1), name.ljust(32), NOW)
        work.queue(index, content, stages)
        contents.append(content)
    return contents


def test_what_is_claimed_is_not_claimed_again(index: Index) -> None:
    contents = add(index, 5)
    first = work.claim(index, ALL, 3, NOW)
    second = work.claim(index, ALL, 3, NOW)
    assert [claim.content for claim in first + second] == contents
    assert work.claim(index, ALL, 3, NOW) == []
    assert first[0].path == b"/p/0.jpg"
    assert first[0].stages == ALL


def test_done_goes_away_with_its_result(index: Index) -> None:
    (content,) = add(index, 1)
    work.claim(index, ALL, 1, NOW)
    work.done(index, content, {Stage.DECODE, Stage.CAPTION})
    assert set(work.of(index, content)) == {Stage.DETECT, Stage.TOPICS, Stage.EMBED}
    work.done(index, content, Stage)
    assert work.of(index, content) == {}
    assert work.due(index, ALL, NOW) == 0


def test_stages_without_a_model_wait_and_are_not_claimed(index: Index) -> None:
    (content,) = add(index, 1)
    (claim,) = work.claim(index, {Stage.DECODE, Stage.EMBED}, 1, NOW)
    assert claim.stages == {Stage.DECODE, Stage.EMBED}
    work.done(index, content, claim.stages)
    assert work.claim(index, {Stage.DECODE, Stage.EMBED}, 1, NOW) == []
    assert work.waiting(index) == dict.fromkeys((Stage.CAPTION, Stage.DETECT, Stage.TOPICS), 1)


def test_what_follows_from_a_stage_is_claimed_with_it(index: Index) -> None:
    add(index, 1, frozenset({Stage.CAPTION}))
    (claim,) = work.claim(index, ALL, 1, NOW)
    assert claim.stages == {Stage.CAPTION, Stage.TOPICS, Stage.EMBED}


def test_failures_pause_longer_each_time_and_end_after_five(index: Index) -> None:
    (content,) = add(index, 1)
    now, waits = NOW, []
    while claims := work.claim(index, ALL, 1, now):
        work.failed(index, content, claims[0].stages, "truncated", now)
        assert work.claim(index, ALL, 1, now) == []
        _, not_before, error = work.of(index, content)[Stage.DECODE]
        assert error == "truncated"
        waits.append(not_before - now)
        now = not_before
    assert len(waits) == photos.MAX_ATTEMPTS
    assert waits == sorted(waits)
    assert [failure.set_aside for failure in failures.failures(index)] == [True]
    assert failures.retry(index) == 1
    assert len(work.claim(index, ALL, 1, now)) == 1


def test_a_release_costs_no_attempt(index: Index) -> None:
    (content,) = add(index, 1)
    for _ in range(20):
        assert len(work.claim(index, ALL, 1, NOW)) == 1
        work.release(index)
    assert work.of(index, content)[Stage.DECODE][0] == 0


def lives(index: Index, deadly: set[int], window: int) -> set[int]:
    """A process that works as `ingest` does, until it touches a deadly content. -> what it finished."""
    work.recover(index)
    done: set[int] = set()
    tried: set[int] = set()
    while suspect := work.claim_suspect(index, ALL, NOW, tried):
        tried.add(suspect.content)
        if suspect.content in deadly:
            return done
        work.done(index, suspect.content, Stage)
        done.add(suspect.content)
    while claims := work.claim(index, ALL, window, NOW):
        if deadly.intersection(claim.content for claim in claims):
            return done
        for claim in claims:
            work.done(index, claim.content, Stage)
            done.add(claim.content)
    return done


@pytest.mark.parametrize(("photos_", "deadly_places"), [(25, [12]), (1, [0]), (9, [0, 4, 8])])
def test_only_the_photo_that_kills_the_process_pays_and_is_told(
    index: Index, photos_: int, deadly_places: list[int]
) -> None:
    contents = add(index, photos_)
    deadly = {contents[place] for place in deadly_places}
    finished: set[int] = set()
    lifes = 0
    while work.due(index, ALL, NOW):
        finished |= lives(index, deadly, window=8)
        lifes += 1
        work.recover(index)
        for content in set(contents) - finished - deadly:
            assert all(attempts == 0 for attempts, _, _ in work.of(index, content).values())
    assert finished == set(contents) - deadly
    # Each of them once in company at most, then five times alone; the last life goes to its end.
    assert lifes <= len(deadly) * (photos.MAX_ATTEMPTS + 1) + 1
    told = failures.failures(index)
    assert {failure.path for failure in told} == {b"/p/%d.jpg" % place for place in deadly_places}
    assert all(failure.set_aside and failure.error == work.DEADLY for failure in told)
    assert failures.retry(index) == len(deadly)
    assert lives(index, set(), window=8) == deadly


def test_suspects_take_turns_and_nothing_else_counts_as_alone(index: Index) -> None:
    first, second, third = add(index, 3)
    assert len(work.claim(index, ALL, 2, NOW)) == 2
    work.claim(index, ALL, 2, NOW)  # one more, while two are in flight: not alone
    work.recover(index)
    order = []
    for _ in range(6):  # each dies with whatever it tries first
        claim = work.claim_suspect(index, ALL, NOW)
        assert claim is not None
        order.append(claim.content)
        work.recover(index)
    assert order == [first, second, third] * 2


def test_one_in_flight_alone_is_alone_no_more_when_others_come(index: Index) -> None:
    (first,) = add(index, 1)
    assert len(work.claim(index, ALL, 9, NOW)) == 1
    add(index, 3)
    assert len(work.claim(index, ALL, 9, NOW, after=first)) == 2
    work.recover(index)
    assert work.of(index, first)[Stage.DECODE][0] == 0


def test_a_suspect_whose_model_is_away_is_described_by_the_others(index: Index) -> None:
    (content,) = add(index, 1, frozenset({Stage.CAPTION}))
    add(index, 2)
    work.claim(index, ALL, 9, NOW)
    work.recover(index)
    work.done(index, content, {Stage.TOPICS, Stage.EMBED})
    work.queue(index, content, {Stage.EMBED})  # a note was written, and the captioner's weights are gone
    claim = work.claim_suspect(index, TEXT, NOW)
    assert claim is not None
    assert (claim.content, claim.stages) == (content, {Stage.EMBED})


def test_what_an_older_version_left_without_a_reason_is_told_and_retried(index: Index) -> None:
    (content,) = add(index, 1)
    with index.writing() as db:
        db.execute("UPDATE work SET attempts = ?, claim = -1", (photos.MAX_ATTEMPTS,))
    work.recover(index)
    assert [failure.error for failure in failures.failures(index)] == [work.DEADLY]
    assert failures.retry(index) == 1
    assert [claim.content for claim in work.claim(index, ALL, 9, NOW)] == [content]


def test_offline_and_gone_photos_are_not_claimed(index: Index) -> None:
    contents = add(index, 2)
    root = roots.roots(index)[0]
    photos.bury(index, root.id, b"", [b"0.jpg"], NOW)
    assert [claim.content for claim in work.claim(index, ALL, 9, NOW)] == contents[1:]
    work.release(index)
    roots.mark_offline(index, root.id, "unplugged")
    assert work.claim(index, ALL, 9, NOW) == []
    assert work.due(index, ALL, NOW) == 0


def test_a_changed_model_queues_its_stage_alone_and_keeps_the_old_result(index: Index) -> None:
    (content,) = add(index, 1, frozenset())
    old, new = ModelIdentity("captioner", "1"), ModelIdentity("captioner", "2")
    results.save_caption(index, content, old, "a dog")
    assert work.queue_outdated(index, {Stage.CAPTION: old}, ()) == 0
    assert work.queue_outdated(index, {Stage.CAPTION: new}, ()) == 1
    assert set(work.of(index, content)) == {Stage.CAPTION}
    assert results.description(index, content).caption == "a dog"
    assert work.queue_outdated(index, {}, [Stage.CAPTION]) == 0
    assert work.of(index, content) == {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events=st.lists(st.sampled_from(["claim", "done", "fail", "release", "die"]), max_size=30))
def test_whatever_happens_every_content_is_done_waiting_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, events: list[str]
) -> None:
    with Index(str(tmp_path_factory.mktemp("work") / "index.db")) as index:
        contents = set(add(index, 3))
        held: list[work.Claim] = []
        finished: set[int] = set()
        now = NOW
        for event in events:
            now += 1
            if event == "claim":
                suspect = None if held else work.claim_suspect(index, ALL, now)
                fresh = [suspect] if suspect else work.claim(index, ALL, 2, now)
                assert not {c.content for c in fresh} & ({c.content for c in held} | finished)
                held += fresh
            elif event == "die":
                held = []
                work.recover(index)
            elif held:
                claim = held.pop()
                if event == "done":
                    work.done(index, claim.content, Stage)
                    finished.add(claim.content)
                elif event == "fail":
                    work.failed(index, claim.content, claim.stages, "because", now)
                else:
                    work.release(index, [claim.content])
        left = {content for content in contents if work.of(index, content)}
        assert left == contents - finished
        for content in left:
            assert all(attempts <= photos.MAX_ATTEMPTS for attempts, _, _ in work.of(index, content).values())


def test_one_that_is_away_with_its_disk_does_not_slow_the_others(index: Index) -> None:
    contents = add(index, 3)
    other = roots.add(index, b"/away")
    lost, _ = photos.save(index, other.id, b"", b"x.jpg", Fingerprint(1, 1, 1, 1), b"x" * 32, NOW)
    work.queue(index, lost, ALL)
    assert len(work.claim(index, ALL, 9, NOW)) == 4
    work.recover(index)  # the process died with all four
    for content in contents:
        claim = work.claim_suspect(index, ALL, NOW)
        assert claim is not None
        assert claim.content == content
        work.done(index, content, Stage)
    roots.mark_offline(index, other.id, "unplugged")
    more = add(index, 6)
    assert [claim.content for claim in work.claim(index, ALL, 9, NOW)] == sorted(more)
