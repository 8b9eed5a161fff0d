"""Photos that could not be read or described: reported by path, and tried again on request."""

from __future__ import annotations

import pytest
from store_library import CAPTION, DECODE, DETECT, NOW, STAGES, delete, put, stat

from imgret.photo import Photo
from imgret.store import policy, records, row_values
from imgret.store.interface import Store


@pytest.fixture
def store(store: Store) -> Store:
    store.roots.add(b"/photos")
    return store


def fail(store: Store, content: int, error: str, times: int = 1) -> int:
    """Let all stages of a content fail. -> when they are tried again"""
    store.work.queue(content, STAGES)
    now = NOW
    for _ in range(times):
        (claim,) = store.work.claim(STAGES, 1, now, last=content)
        store.work.failed(content, claim.stages, error, now)
        now = store.work.of(content)[DECODE][1]
    return now


def unreadable(store: Store, name: bytes, error: str = "denied", now: int = NOW) -> None:
    assert store.photos.save_unreadable(store.roots.all()[0].id, b"", name, stat(), error, now)


def photo(store: Store, path: bytes) -> Photo:
    found = store.photos.find(path)
    assert found is not None
    return found


def test_failures_are_given_by_path(store: Store) -> None:
    for name in (b"b.jpg", b"\xff.jpg", b"B.jpg", b"sub/a.jpg"):
        fail(store, put(store, b"/photos/" + name), f"of {name!r}")
    unreadable(store, b"a.jpg")
    found = store.failures.all()
    assert [failure.path for failure in found] == [
        b"/photos/B.jpg",
        b"/photos/a.jpg",
        b"/photos/b.jpg",
        b"/photos/\xff.jpg",
        b"/photos/sub/a.jpg",
    ]
    assert len(found) == 5
    assert found[1] == records.Failure(
        b"/photos/a.jpg", records.READ, "denied", 1, NOW + policy.PAUSES[0], set_aside=False
    )
    assert store.failures.all(2) == found[:2]
    assert store.failures.all(0) == []


def test_messages_that_utf8_cannot_encode_are_saved_with_replacements(store: Store) -> None:
    message, saved = "caf\udce9.jpg and \ud800 are unreadable", "caf\ufffd.jpg and \ufffd are unreadable"
    content = put(store, b"/photos/a.jpg")
    fail(store, content, message)
    unreadable(store, b"b.jpg", message)
    assert [failure.error for failure in store.failures.all()] == [saved, saved]
    root = store.roots.all()[0]
    store.roots.mark_offline(root.id, message)
    store.roots.mark_mounted(root.id, b"sub", "disk")
    store.roots.mark_unmounted(root.id, b"sub", message)
    assert store.roots.all()[0].reason == saved
    store.remember("report", message)
    assert store.setting("report") == saved


def test_every_copy_of_a_photo_that_failed_is_reported(store: Store) -> None:
    content = put(store, b"/photos/a.jpg", "same")
    put(store, b"/photos/b.jpg", "same")
    put(store, b"/photos/c.jpg", "same")
    delete(store, b"/photos/c.jpg")
    fail(store, content, "truncated")
    assert [failure.path for failure in store.failures.all()] == [b"/photos/a.jpg", b"/photos/b.jpg"]


def test_the_reason_names_the_path_of_each_copy_and_each_is_counted(store: Store) -> None:
    paths = [b"/photos/a.jpg", b"/photos/\xff.jpg"]
    content, _ = (put(store, path, "same") for path in paths)
    fail(store, content, row_values.unnamed("/photos/a.jpg is damaged: /photos/a.jpg", paths[0]))
    assert [failure.error for failure in store.failures.all()] == [
        "/photos/a.jpg is damaged: /photos/a.jpg",
        "/photos/\ufffd.jpg is damaged: /photos/\ufffd.jpg",
    ]
    assert store.failures.retry([photo(store, path) for path in paths]) == 2
    fail(store, content, "damaged")
    assert store.failures.retry([photo(store, paths[1])]) == 1
    fail(store, content, "damaged")
    assert store.failures.retry() == 2


def test_the_stage_and_the_error_of_a_failure_belong_together(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    now = NOW
    for error in ("first", "second"):
        store.work.queue(content, [DETECT])
        (claim,) = store.work.claim([DETECT], 1, now)
        store.work.failed(content, claim.stages, error, now)
        now += policy.PAUSES[1]
    store.work.queue(content, [CAPTION])
    store.work.claim([CAPTION], 1, now)
    store.work.failed(content, [CAPTION], "another", now)
    (failure,) = store.failures.all()
    assert (failure.stage, failure.error, failure.attempts) == (DETECT, "second", 2)


def test_a_photo_that_is_set_aside_is_reported_as_such(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    fail(store, content, "truncated", policy.MAX_ATTEMPTS - 1)
    assert [failure.set_aside for failure in store.failures.all()] == [False]
    store.failures.retry()
    now = fail(store, content, "truncated", policy.MAX_ATTEMPTS)
    assert [failure.set_aside for failure in store.failures.all()] == [True]
    assert store.work.claim(STAGES, 9, now) == []


def test_all_or_some_failed_photos_are_tried_again(store: Store) -> None:
    contents = {name: put(store, b"/photos/%s.jpg" % name) for name in (b"a", b"b", b"c", b"fine")}
    for name in (b"a", b"b", b"c"):
        fail(store, contents[name], "truncated", policy.MAX_ATTEMPTS)
    unreadable(store, b"r.jpg")
    some = [photo(store, b"/photos/%s.jpg" % name) for name in (b"a", b"r", b"fine")]
    assert store.failures.retry(some) == 2
    assert [claim.content for claim in store.work.claim(STAGES, 9, NOW)] == [contents[b"a"]]
    assert store.photos.due_unreadable(store.roots.all()[0].id, NOW) == [(b"", b"r.jpg")]
    assert [failure.path for failure in store.failures.all()] == [
        b"/photos/b.jpg",
        b"/photos/c.jpg",
        b"/photos/r.jpg",  # until it could be read
    ]
    assert store.failures.retry([]) == 0
    assert store.failures.retry() == 3
    assert len(store.work.claim(STAGES, 9, NOW)) == 2


def test_why_a_file_could_not_be_read(store: Store) -> None:
    put(store, b"/photos/a.jpg")
    assert store.failures.unreadable(photo(store, b"/photos/a.jpg")) is None
    unreadable(store, b"a.jpg", "denied")
    failure = store.failures.unreadable(photo(store, b"/photos/a.jpg"))
    assert failure is not None
    assert (failure.path, failure.error, failure.attempts) == (b"/photos/a.jpg", "denied", 1)
    put(store, b"/photos/a.jpg")
    assert store.failures.unreadable(photo(store, b"/photos/a.jpg")) is None
    assert store.failures.all() == []


def test_a_file_that_was_never_read_is_a_photo_without_content(store: Store) -> None:
    unreadable(store, b"a.jpg")
    found = photo(store, b"/photos/a.jpg")
    assert (found.content, found.gone_at) == (None, None)
    totals = store.summary.totals()
    assert (totals.photos, totals.failed, totals.pending) == (1, 1, 0)
    delete(store, b"/photos/a.jpg")
    assert store.failures.all() == []
    assert store.summary.totals().photos == 0
