"""The work queue: nothing is lost or done twice, and a photo that crashes the process is given up alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saving import STAGES, caption, save

from imgret.photo import FileStat, ModelIdentity
from imgret.store import policy, records
from imgret.store.factory import open_store
from imgret.store.interface import Store

ALL = frozenset(STAGES)
TEXT = frozenset({"topics", "embed"})
NOW = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        yield opened


def add(store: Store, count: int, stages: frozenset[str] = ALL) -> list[int]:
    root = store.roots.add(b"/p")
    contents = []
    for number in range(count):
        name = b"%d.jpg" % number
        content, _ = store.photos.save(root.id, b"", name, FileStat(1, 1, 1, 1), name.ljust(32), NOW)
        store.work.queue(content, stages)
        contents.append(content)
    return contents


def test_claimed_work_is_not_claimed_again(store: Store) -> None:
    contents = add(store, 5)
    first = store.work.claim(ALL, 3, NOW)
    second = store.work.claim(ALL, 3, NOW)
    assert [claim.content for claim in first + second] == contents
    assert store.work.claim(ALL, 3, NOW) == []
    assert first[0].path == b"/p/0.jpg"
    assert first[0].stages == ALL


def test_finished_work_leaves_the_queue_with_its_result(store: Store) -> None:
    (content,) = add(store, 1)
    store.work.claim(ALL, 1, NOW)
    store.work.done(content, {"decode", "caption"})
    assert set(store.work.of(content)) == {"detect", "topics", "embed"}
    store.work.done(content, STAGES)
    assert store.work.of(content) == {}
    assert store.work.due(ALL, NOW) == 0


def test_stages_without_a_model_are_not_claimed(store: Store) -> None:
    (content,) = add(store, 1)
    (claim,) = store.work.claim({"decode", "embed"}, 1, NOW)
    assert claim.stages == {"decode", "embed"}
    store.work.done(content, claim.stages)
    assert store.work.claim({"decode", "embed"}, 1, NOW) == []
    assert store.work.waiting() == dict.fromkeys(("caption", "detect", "topics"), 1)


def test_what_follows_from_a_stage_is_claimed_with_it(store: Store) -> None:
    add(store, 1, frozenset({"caption"}))
    (claim,) = store.work.claim(ALL, 1, NOW)
    assert claim.stages == {"caption", "topics", "embed"}


def test_pauses_after_failures_grow_and_five_failures_end_the_attempts(store: Store) -> None:
    (content,) = add(store, 1)
    now, waits = NOW, []
    while claims := store.work.claim(ALL, 1, now):
        store.work.failed(content, claims[0].stages, "truncated", now)
        assert store.work.claim(ALL, 1, now) == []
        _, not_before, error = store.work.of(content)["decode"]
        assert error == "truncated"
        waits.append(not_before - now)
        now = not_before
    assert len(waits) == policy.MAX_ATTEMPTS
    assert waits == sorted(waits)
    assert [failure.set_aside for failure in store.failures.all()] == [True]
    assert store.failures.retry() == 1
    assert len(store.work.claim(ALL, 1, now)) == 1


def test_a_release_does_not_count_as_an_attempt(store: Store) -> None:
    (content,) = add(store, 1)
    for _ in range(20):
        assert len(store.work.claim(ALL, 1, NOW)) == 1
        store.work.release()
    assert store.work.of(content)["decode"][0] == 0


def lives(store: Store, deadly: set[int], window: int) -> set[int]:
    """Work as `ingest` does, until a content crashes the process. Returns the finished contents."""
    store.work.recover()
    done: set[int] = set()
    tried: set[int] = set()
    while suspect := store.work.claim_suspect(ALL, NOW, tried):
        tried.add(suspect.content)
        if suspect.content in deadly:
            return done
        store.work.done(suspect.content, STAGES)
        done.add(suspect.content)
    while claims := store.work.claim(ALL, window, NOW):
        if deadly.intersection(claim.content for claim in claims):
            return done
        for claim in claims:
            store.work.done(claim.content, STAGES)
            done.add(claim.content)
    return done


@pytest.mark.parametrize(("photos_", "deadly_places"), [(25, [12]), (1, [0]), (9, [0, 4, 8])])
def test_only_the_photo_that_crashes_the_process_loses_attempts_and_is_reported(
    store: Store, photos_: int, deadly_places: list[int]
) -> None:
    contents = add(store, photos_)
    deadly = {contents[place] for place in deadly_places}
    finished: set[int] = set()
    lifes = 0
    while store.work.due(ALL, NOW):
        finished |= lives(store, deadly, window=8)
        lifes += 1
        store.work.recover()
        for content in set(contents) - finished - deadly:
            assert all(attempts == 0 for attempts, _, _ in store.work.of(content).values())
    assert finished == set(contents) - deadly
    # Each of them at most once together with others, then five times alone; the last process ends normally.
    assert lifes <= len(deadly) * (policy.MAX_ATTEMPTS + 1) + 1
    told = store.failures.all()
    assert {failure.path for failure in told} == {b"/p/%d.jpg" % place for place in deadly_places}
    assert all(failure.set_aside and failure.error == policy.DEADLY for failure in told)
    assert store.failures.retry() == len(deadly)
    assert lives(store, set(), window=8) == deadly


def test_suspects_alternate_and_nothing_else_counts_as_alone(store: Store) -> None:
    first, second, third = add(store, 3)
    assert len(store.work.claim(ALL, 2, NOW)) == 2
    store.work.claim(ALL, 2, NOW)  # one more while two are claimed, so not alone
    store.work.recover()
    order = []
    for _ in range(6):  # each process crashes on the first one it tries
        claim = store.work.claim_suspect(ALL, NOW)
        assert claim is not None
        order.append(claim.content)
        store.work.recover()
    assert order == [first, second, third] * 2


def test_a_claimed_photo_no_longer_counts_as_alone_after_further_claims(store: Store) -> None:
    (first,) = add(store, 1)
    assert len(store.work.claim(ALL, 9, NOW)) == 1
    add(store, 3)
    assert len(store.work.claim(ALL, 9, NOW, after=first)) == 2
    store.work.recover()
    assert store.work.of(first)["decode"][0] == 0


def test_a_suspect_whose_model_is_away_is_described_by_the_others(store: Store) -> None:
    (content,) = add(store, 1, frozenset({"caption"}))
    add(store, 2)
    store.work.claim(ALL, 9, NOW)
    store.work.recover()
    store.work.done(content, {"topics", "embed"})
    store.work.queue(content, {"embed"})  # a note was written, and the captioner's weights are gone
    claim = store.work.claim_suspect(TEXT, NOW)
    assert claim is not None
    assert (claim.content, claim.stages) == (content, {"embed"})


def test_work_given_up_by_an_older_version_without_a_reason_is_reported_and_retried(store: Store) -> None:
    (content,) = add(store, 1)
    with store.writing() as db:
        db.execute("UPDATE work SET attempts = ?, claim = -1", (policy.MAX_ATTEMPTS,))
    store.work.recover()
    assert [failure.error for failure in store.failures.all()] == [policy.DEADLY]
    assert store.failures.retry() == 1
    assert [claim.content for claim in store.work.claim(ALL, 9, NOW)] == [content]


def test_offline_and_deleted_photos_are_not_claimed(store: Store) -> None:
    contents = add(store, 2)
    root = store.roots.all()[0]
    store.photos.mark_deleted(root.id, b"", [b"0.jpg"], NOW)
    assert [claim.content for claim in store.work.claim(ALL, 9, NOW)] == contents[1:]
    store.work.release()
    store.roots.mark_offline(root.id, "unplugged")
    assert store.work.claim(ALL, 9, NOW) == []
    assert store.work.due(ALL, NOW) == 0


def test_a_changed_model_queues_only_its_stage_and_keeps_the_old_result(store: Store) -> None:
    (content,) = add(store, 1, frozenset())
    old, new = ModelIdentity("captioner", "1"), ModelIdentity("captioner", "2")
    save(store, content, "caption", old, "a dog")
    assert store.work.queue_outdated({"caption": old}, ()) == 0
    assert store.work.queue_outdated({"caption": new}, ()) == 1
    assert set(store.work.of(content)) == {"caption"}
    assert caption(store, content) == "a dog"
    assert store.work.queue_outdated({}, ["caption"]) == 0
    assert store.work.of(content) == {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events=st.lists(st.sampled_from(["claim", "done", "fail", "release", "die"]), max_size=30))
def test_every_content_is_always_done_waiting_or_given_up(
    tmp_path_factory: pytest.TempPathFactory, events: list[str]
) -> None:
    with open_store(str(tmp_path_factory.mktemp("work") / "index.db")) as store:
        contents = set(add(store, 3))
        held: list[records.Claim] = []
        finished: set[int] = set()
        now = NOW
        for event in events:
            now += 1
            if event == "claim":
                suspect = None if held else store.work.claim_suspect(ALL, now)
                fresh = [suspect] if suspect else store.work.claim(ALL, 2, now)
                assert not {c.content for c in fresh} & ({c.content for c in held} | finished)
                held += fresh
            elif event == "die":
                held = []
                store.work.recover()
            elif held:
                claim = held.pop()
                if event == "done":
                    store.work.done(claim.content, STAGES)
                    finished.add(claim.content)
                elif event == "fail":
                    store.work.failed(claim.content, claim.stages, "because", now)
                else:
                    store.work.release([claim.content])
        left = {content for content in contents if store.work.of(content)}
        assert left == contents - finished
        for content in left:
            assert all(attempts <= policy.MAX_ATTEMPTS for attempts, _, _ in store.work.of(content).values())


def test_photos_on_an_offline_disk_do_not_slow_the_others(store: Store) -> None:
    contents = add(store, 3)
    other = store.roots.add(b"/away")
    lost, _ = store.photos.save(other.id, b"", b"x.jpg", FileStat(1, 1, 1, 1), b"x" * 32, NOW)
    store.work.queue(lost, ALL)
    assert len(store.work.claim(ALL, 9, NOW)) == 4
    store.work.recover()  # the process crashed with all four claimed
    for content in contents:
        claim = store.work.claim_suspect(ALL, NOW)
        assert claim is not None
        assert claim.content == content
        store.work.done(content, STAGES)
    store.roots.mark_offline(other.id, "unplugged")
    more = add(store, 6)
    assert [claim.content for claim in store.work.claim(ALL, 9, NOW)] == sorted(more)
