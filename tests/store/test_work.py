"""The work queue, case by case: pauses, suspects, followers, offline photos, other models."""

from __future__ import annotations

import pytest
from store_library import (
    CAPTION,
    DECODE,
    DETECT,
    EMBED,
    MODEL,
    NOW,
    OTHER_MODEL,
    STAGES,
    TOPICS,
    caption_of,
    queue_photos,
    save_caption,
    stat,
)

from imgret.store import policy
from imgret.store.interface import Store

TEXT = frozenset({TOPICS, EMBED})
pytestmark = pytest.mark.usefixtures("photo_root")


def test_what_is_claimed_is_not_claimed_again(store: Store) -> None:
    contents = queue_photos(store, 5)
    first = store.work.claim(STAGES, 3, NOW)
    second = store.work.claim(STAGES, 3, NOW)
    assert [claim.content for claim in first + second] == contents[::-1]
    assert store.work.claim(STAGES, 3, NOW) == []
    assert first[0].path == b"/p/4.jpg"
    assert first[0].stages == STAGES


def test_finished_work_is_removed_with_its_result(store: Store) -> None:
    (content,) = queue_photos(store, 1)
    store.work.claim(STAGES, 1, NOW)
    store.work.done(content, {DECODE, CAPTION})
    assert set(store.work.of(content)) == {DETECT, TOPICS, EMBED}
    store.work.done(content, STAGES)
    assert store.work.of(content) == {}
    assert store.work.due(STAGES, NOW) == 0


def test_stages_without_a_model_wait_and_are_not_claimed(store: Store) -> None:
    (content,) = queue_photos(store, 1)
    (claim,) = store.work.claim({DECODE, EMBED}, 1, NOW)
    assert claim.stages == {DECODE, EMBED}
    store.work.done(content, claim.stages)
    assert store.work.claim({DECODE, EMBED}, 1, NOW) == []
    assert store.work.waiting() == dict.fromkeys((CAPTION, DETECT, TOPICS), 1)


def test_what_follows_from_a_stage_is_claimed_with_it(store: Store) -> None:
    queue_photos(store, 1, frozenset({CAPTION}))
    (claim,) = store.work.claim(STAGES, 1, NOW)
    assert claim.stages == {CAPTION, TOPICS, EMBED}


def test_failures_pause_longer_each_time_and_end_after_five(store: Store) -> None:
    (content,) = queue_photos(store, 1)
    now, waits = NOW, []
    while claims := store.work.claim(STAGES, 1, now):
        store.work.failed(content, claims[0].stages, "truncated", now)
        assert store.work.claim(STAGES, 1, now) == []
        _, not_before, error = store.work.of(content)[DECODE]
        assert error == "truncated"
        waits.append(not_before - now)
        now = not_before
    assert len(waits) == policy.MAX_ATTEMPTS
    assert waits == sorted(waits)
    assert [failure.set_aside for failure in store.failures.all()] == [True]
    assert store.failures.retry() == 1
    assert len(store.work.claim(STAGES, 1, now)) == 1


def test_a_release_counts_no_attempt(store: Store) -> None:
    (content,) = queue_photos(store, 1)
    for _ in range(20):
        assert len(store.work.claim(STAGES, 1, NOW)) == 1
        store.work.release()
    assert store.work.of(content)[DECODE][0] == 0


def lives(store: Store, deadly: set[int], window: int) -> set[int]:
    """A process that works as `ingest` does, until it touches a deadly content. -> what it finished."""
    store.work.recover()
    done: set[int] = set()
    tried: set[int] = set()
    while suspect := store.work.claim_suspect(STAGES, NOW, tried):
        tried.add(suspect.content)
        if suspect.content in deadly:
            return done
        store.work.done(suspect.content, STAGES)
        done.add(suspect.content)
    while claims := store.work.claim(STAGES, window, NOW):
        if deadly.intersection(claim.content for claim in claims):
            return done
        for claim in claims:
            store.work.done(claim.content, STAGES)
            done.add(claim.content)
    return done


@pytest.mark.parametrize(("photos_", "deadly_places"), [(25, [12]), (1, [0]), (9, [0, 4, 8])])
def test_only_the_photo_that_kills_the_process_is_set_aside(
    store: Store, photos_: int, deadly_places: list[int]
) -> None:
    contents = queue_photos(store, photos_)
    deadly = {contents[place] for place in deadly_places}
    finished: set[int] = set()
    runs = 0
    while store.work.due(STAGES, NOW):
        finished |= lives(store, deadly, window=8)
        runs += 1
        store.work.recover()
        for content in set(contents) - finished - deadly:
            assert all(attempts == 0 for attempts, _, _ in store.work.of(content).values())
    assert finished == set(contents) - deadly
    # Each of them once in company at most, then five times alone; the last life goes to its end.
    assert runs <= len(deadly) * (policy.MAX_ATTEMPTS + 1) + 1
    failures = store.failures.all()
    assert {failure.path for failure in failures} == {b"/p/%d.jpg" % place for place in deadly_places}
    assert all(failure.set_aside and failure.error == policy.CRASHED for failure in failures)
    assert store.failures.retry() == len(deadly)
    assert lives(store, set(), window=8) == deadly


def test_suspects_take_turns_and_nothing_else_counts_as_alone(store: Store) -> None:
    first, second, third = queue_photos(store, 3)
    assert len(store.work.claim(STAGES, 2, NOW)) == 2
    store.work.claim(STAGES, 2, NOW)  # one more, while two are in flight: not alone
    store.work.recover()
    order = []
    for _ in range(6):  # each dies with whatever it tries first
        claim = store.work.claim_suspect(STAGES, NOW)
        assert claim is not None
        order.append(claim.content)
        store.work.recover()
    assert order == [first, second, third] * 2


def test_one_in_flight_alone_is_alone_no_more_when_others_come(store: Store) -> None:
    (first,) = queue_photos(store, 1)
    assert len(store.work.claim(STAGES, 9, NOW)) == 1
    queue_photos(store, 3)
    assert len(store.work.claim(STAGES, 9, NOW)) == 2
    store.work.recover()
    assert store.work.of(first)[DECODE][0] == 0


def test_a_suspect_whose_model_is_away_is_described_by_the_others(store: Store) -> None:
    (content,) = queue_photos(store, 1, frozenset({CAPTION}))
    queue_photos(store, 2)
    store.work.claim(STAGES, 9, NOW)
    store.work.recover()
    store.work.done(content, {TOPICS, EMBED})
    store.work.queue(content, {EMBED})  # a note was written, and the captioner's weights are gone
    claim = store.work.claim_suspect(TEXT, NOW)
    assert claim is not None
    assert (claim.content, claim.stages) == (content, {EMBED})


def test_offline_and_deleted_photos_are_not_claimed(store: Store) -> None:
    contents = queue_photos(store, 2)
    root = store.roots.all()[0]
    store.photos.mark_deleted(root.id, b"", [b"0.jpg"], NOW)
    assert [claim.content for claim in store.work.claim(STAGES, 9, NOW)] == contents[1:]
    store.work.release()
    store.roots.mark_offline(root.id, "unplugged")
    assert store.work.claim(STAGES, 9, NOW) == []
    assert store.work.due(STAGES, NOW) == 0


def test_a_changed_model_queues_its_stage_alone_and_keeps_the_old_result(store: Store) -> None:
    (content,) = queue_photos(store, 1, frozenset())
    old, new = MODEL, OTHER_MODEL
    save_caption(store, content, "a dog", old)
    assert store.work.queue_outdated({CAPTION: old}, ()) == 0
    assert store.work.queue_outdated({CAPTION: new}, ()) == 1
    assert set(store.work.of(content)) == {CAPTION}
    assert caption_of(store, content) == "a dog"
    assert store.work.queue_outdated({}, [CAPTION]) == 0
    assert store.work.of(content) == {}


def test_one_that_is_away_with_its_disk_does_not_slow_the_others(store: Store) -> None:
    contents = queue_photos(store, 3)
    other = store.roots.add(b"/away")
    lost, _ = store.photos.save(other.id, b"", b"x.jpg", stat(), b"x" * 32, NOW)
    store.work.queue(lost, STAGES)
    assert len(store.work.claim(STAGES, 9, NOW)) == 4
    store.work.recover()  # the process died with all four
    for content in contents:
        claim = store.work.claim_suspect(STAGES, NOW)
        assert claim is not None
        assert claim.content == content
        store.work.done(content, STAGES)
    store.roots.mark_offline(other.id, "unplugged")
    more = queue_photos(store, 6)
    assert [claim.content for claim in store.work.claim(STAGES, 9, NOW)] == sorted(more, reverse=True)
