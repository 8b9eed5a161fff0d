"""Claims of several connections, undone claims, and work that was queued again."""

from __future__ import annotations

import threading

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
    delete,
    put,
    queue_photos,
    save_caption,
)

from imgret.store.factory import open_store
from imgret.store.interface import Store

TEXT = frozenset({TOPICS, EMBED})
pytestmark = pytest.mark.usefixtures("photo_root")


def test_a_claim_is_given_to_one_connection_alone(store: Store, second: Store) -> None:
    contents = queue_photos(store, 20)
    given: list[int] = []
    turn, other = store, second
    while claims := turn.work.claim(STAGES, 3, NOW):
        given += [claim.content for claim in claims]
        turn, other = other, turn
    assert other.work.claim(STAGES, 3, NOW) == []
    assert given == contents[::-1]


def test_claims_of_several_threads_never_meet(store: Store, place: str) -> None:
    contents = queue_photos(store, 60)
    given: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with open_store(place) as opened:
                while claims := opened.work.claim(STAGES, 2, NOW):
                    given.extend(claim.content for claim in claims)
                    for claim in claims:
                        opened.work.done(claim.content, claim.stages)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(given) == contents
    assert store.work.waiting() == {}


def test_a_claim_that_is_undone_is_free_again(store: Store, second: Store) -> None:
    (content,) = queue_photos(store, 1)
    with pytest.raises(ZeroDivisionError), store.writing():
        assert len(store.work.claim(STAGES, 1, NOW)) == 1
        raise ZeroDivisionError
    assert store.work.of(content)[DECODE] == (0, 0, None)
    assert [claim.content for claim in second.work.claim(STAGES, 1, NOW)] == [content]


def test_a_result_and_its_done_are_undone_together(store: Store) -> None:
    (content,) = queue_photos(store, 1)
    store.work.claim(STAGES, 1, NOW)
    with pytest.raises(ZeroDivisionError), store.writing():
        save_caption(store, content, "a dog")
        store.work.done(content, [CAPTION])
        raise ZeroDivisionError
    assert CAPTION in store.work.of(content)
    assert store.results.identities(content) == {}


def test_suspects_stay_suspects_when_claims_are_released(store: Store) -> None:
    contents = queue_photos(store, 3)
    store.work.claim(STAGES, 3, NOW)
    store.work.recover()
    store.work.release()
    store.work.release(contents)
    assert store.work.claim(STAGES, 3, NOW) == []
    claim = store.work.claim_suspect(STAGES, NOW)
    assert claim is not None
    assert claim.content == contents[0]


def test_the_path_of_a_claim_is_one_that_holds_the_bytes(store: Store) -> None:
    content = put(store, b"/p/a.jpg", "same")
    put(store, b"/p/b.jpg", "same")
    put(store, b"/p/stick/c.jpg", "same")
    store.work.queue(content, [DECODE])
    store.photos.suspect(b"/p/a.jpg", content)
    (claim,) = store.work.claim(STAGES, 1, NOW)
    assert claim.path == b"/p/b.jpg"
    store.work.release()
    root = store.roots.all()[0].id
    delete(store, b"/p/a.jpg")
    delete(store, b"/p/b.jpg")
    store.roots.mark_mounted(root, b"stick", "vfat:1")
    (claim,) = store.work.claim(STAGES, 1, NOW)
    assert claim.path == b"/p/stick/c.jpg"
    store.work.release()
    store.roots.mark_unmounted(root, b"stick", "away")
    assert store.work.claim(STAGES, 1, NOW) == []


def test_a_pause_that_was_set_before_the_clock_was_put_back_is_over(store: Store) -> None:
    queue_photos(store, 1)
    (claim,) = store.work.claim(STAGES, 1, NOW)
    store.work.failed(claim.content, claim.stages, "no", NOW)
    assert store.work.claim(STAGES, 1, NOW) == []
    assert len(store.work.claim(STAGES, 1, NOW - 10**8)) == 1


def test_what_was_queued_again_keeps_its_attempts(store: Store) -> None:
    (content,) = queue_photos(store, 1)
    (claim,) = store.work.claim(STAGES, 1, NOW)
    store.work.failed(content, claim.stages, "no", NOW)
    before = store.work.of(content)
    store.work.queue(content, STAGES)
    assert store.work.of(content) == before


def test_what_is_missing_or_of_another_model_is_queued(store: Store) -> None:
    old, new, none, gone = (put(store, b"/p/%s.jpg" % name) for name in (b"old", b"new", b"none", b"gone"))
    save_caption(store, old, "a dog", OTHER_MODEL)
    save_caption(store, new, "a cat", MODEL)
    delete(store, b"/p/gone.jpg")
    assert store.work.queue_outdated({CAPTION: MODEL, DETECT: MODEL}, ()) == 2 + 3
    assert {content: set(store.work.of(content)) for content in (old, new, none, gone)} == {
        old: {CAPTION, DETECT},
        new: {DETECT},
        none: {CAPTION, DETECT},
        gone: set(),
    }
    assert store.work.queue_outdated({CAPTION: MODEL}, [DETECT]) == 0
    assert set(store.work.of(new)) == set()


def test_there_is_nothing_to_claim_in_an_empty_store(store: Store) -> None:
    assert store.work.claim(STAGES, 9, NOW) == []
    assert store.work.claim_suspect(STAGES, NOW) is None
    assert (store.work.last(), store.work.due(STAGES, NOW), store.work.waiting()) == (0, 0, {})
    store.work.recover()
    store.work.release()
    store.work.done(9, STAGES)
    store.work.failed(9, STAGES, "no", NOW)
    assert store.work.of(9) == {}


def test_a_content_that_was_released_comes_again_at_its_later_position(store: Store) -> None:
    content = put(store, b"/photos/a.jpg")
    store.work.queue(content, ["decode"])
    store.work.queue(content, ["caption"], 5)
    (first,) = store.work.claim({"decode", "caption"}, 1, NOW)
    assert (first.position.request, first.stages) == (5, {"decode", "caption"})
    assert store.work.claim({"decode", "caption"}, 1, NOW, after=first.position) == []
    store.work.release([content])
    (again,) = store.work.claim({"decode", "caption"}, 1, NOW, after=first.position)
    assert (again.position.request, again.stages) == (0, first.stages)
    store.work.release([content])
    assert store.work.claim({"decode", "caption"}, 1, NOW, after=again.position) == []
