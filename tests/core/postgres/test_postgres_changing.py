"""Transactions that change different contents of one library side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from server_library import add
from waiting import until

from imgret.errors import ImgretError
from imgret.photo import ModelIdentity, Tag
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.postgres import pg_workers
from imgret.store.records import SpaceTraits

MODEL = ModelIdentity("model", "1")
PATIENCE = 120  # seconds


def describe(store: Store, content: int, words: str, label: str = "dog") -> None:
    """Save a result with all that belongs to one, and end the work of the content."""
    vector = np.random.default_rng(content).standard_normal(8).astype(np.float32)
    store.results.save(
        content,
        "embed",
        MODEL,
        [words],
        texts={"caption": words},
        tags=[Tag("object", label)],
        vectors={"passage": vector / np.linalg.norm(vector)},
        space=SpaceTraits("passage"),
    )
    store.results.refresh_words(content)
    store.work.done(content, ["embed"])


def prepared(place: str, count: int) -> list[int]:
    """A library of photos that wait. The model and its space are there, because only one transaction can add them."""
    with open_store(place) as store:
        contents = [add(store, number) for number in range(1, count + 1)]
        for content in contents:
            store.work.queue(content, ["embed"])
        describe(store, add(store, 9999), "first")
        return contents


def in_threads(*jobs: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []


def test_two_run_at_the_same_time(place: str) -> None:
    contents = prepared(place, 2)
    both = threading.Barrier(2, timeout=PATIENCE)

    def saver(content: int) -> None:
        with open_store(place) as store:

            def job() -> None:
                describe(store, content, f"a new word {content}")
                both.wait()  # fails if one waits for the end of the other

            store.changing([content], job)

    in_threads(*(lambda content=content: saver(content) for content in contents))
    with open_store(place) as store:
        assert store.documents.check() == store.problems() == []
        assert store.work.waiting() == {}
        terms = store.words.terms(["new"])
        assert sorted(store.words.best(terms, 9, 99).tolist()) == contents


def test_those_of_the_same_content_wait_for_each_other(place: str) -> None:
    (content,) = prepared(place, 1)
    began, finish = threading.Event(), threading.Event()

    def first() -> None:
        with open_store(place) as store:

            def job() -> None:
                began.set()
                assert finish.wait(PATIENCE)
                describe(store, content, "one")

            store.changing([content], job)

    def second() -> None:
        assert began.wait(PATIENCE)
        with open_store(place) as store:

            def job() -> None:
                assert store.results.payloads(content) == {"embed": '["one"]'}
                describe(store, content, "two")

            waiting = threading.Thread(target=lambda: (until(lambda: waits(place), PATIENCE), finish.set()))
            waiting.start()
            store.changing([content], job)
            waiting.join()

    in_threads(first, second)
    with open_store(place) as store:
        assert store.results.payloads(content) == {"embed": '["two"]'}
        assert store.documents.check() == []


def waits(place: str) -> bool:
    """Is there a connection that waits for another one?"""
    with psycopg.connect(place, autocommit=True) as db:
        row = db.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row != (0,)


def test_statements_after_one_that_failed_can_be_executed_later(store: Store, place: str) -> None:
    """They are sent without waiting, and psycopg prepares each after some executions: it must know which ones it did not."""
    contents = prepared(place, 12)
    for content in contents:
        with pytest.raises(ImgretError):
            store.changing([99999], lambda: describe(store, 99999, "no such content"))
        store.changing([content], lambda content=content: describe(store, content, f"word{content}"))  # type: ignore[misc]
    assert store.work.waiting() == {}
    assert sorted(store.words.best(store.words.terms(["word3"]), 9, 99).tolist()) == [contents[2]]


@pytest.mark.parametrize(
    "change",
    [
        lambda store, other: store.results.refresh_words(other),
        lambda store, other: store.work.done(other, ["embed"]),
        lambda store, other: store.work.failed(other, ["embed"], "broken", 1),
        lambda store, other: (store.work.queue(other, ["caption"]), store.results.pixels(other)),
    ],
)
def test_what_is_collected_of_other_contents_is_saved_alone(
    store: Store, place: str, change: Callable[[Store, int], object]
) -> None:
    content, other = prepared(place, 2)
    calls = []

    def job() -> None:
        calls.append(content)
        describe(store, content, "a dog")
        change(store, other)

    store.changing([content], job)
    assert len(calls) == 2
    calls.clear()
    store.changing([content, other], job)
    assert len(calls) == 1


def test_what_concerns_other_contents_is_done_alone(store: Store, place: str) -> None:
    content, other = prepared(place, 2)
    calls = []

    def job() -> None:
        calls.append(store.results.note(other))
        describe(store, content, "a dog")
        store.results.write_note(other, "a note")

    store.changing([content], job)
    assert calls == [None, None]
    assert store.results.note(other) == "a note"
    assert store.work.waiting() == {"embed": 1}


def test_readers_miss_no_vector_and_nothing_is_counted_wrong(place: str) -> None:
    """Savers, a user who writes notes, and a reader who follows the ids of vectors, as the daemon does."""
    contents = prepared(place, 96)
    done = threading.Event()
    running = threading.Semaphore(0)
    seen: list[int] = []
    tokens: list[int] = []

    def saver(own: list[int]) -> None:
        with open_store(place) as store:
            for start in range(0, len(own), 4):
                batch = own[start : start + 4]

                def job(batch: list[int] = batch) -> None:
                    for content in batch:
                        # Words and labels that others add at the same time, and some that nobody else has.
                        describe(store, content, f"word{content % 7} own{content}", f"label{content % 3}")

                store.changing(batch, job)
        running.release()

    def user() -> None:
        with open_store(place) as store:
            for content in contents[::9]:
                store.results.write_note(content, f"word{content % 5} noted")
        running.release()

    def reader() -> None:
        with open_store(place) as store:
            space, last = store.vectors.active_space("embed"), 0
            assert space is not None
            while True:
                ended = done.is_set()
                with store.reading():
                    tokens.append(store.data_version())
                    newest = store.vectors.last_id()
                    ids, _ = store.nearest.leading_since(space, last)
                    last = newest
                seen.extend(ids.tolist())
                if ended:
                    return

    def end() -> None:
        for _ in range(5):
            assert running.acquire(timeout=PATIENCE)
        done.set()

    in_threads(*(lambda at=at: saver(contents[at::4]) for at in range(4)), user, reader, end)
    assert sorted(seen[1:]) == contents  # each once; the first one is that of `prepared`
    assert tokens == sorted(tokens)
    with open_store(place) as store:
        assert store.documents.check() == store.problems() == []
        assert store.work.waiting() == {}
        assert sorted(store.words.best(store.words.terms(["noted"]), 99, 999).tolist()) == contents[::9]
        for content in contents:
            assert store.words.best(store.words.terms([f"own{content}"]), 9, 99).tolist() == [content]
        assert set(store.facets.commonest("object", 9)) == {"dog", "label0", "label1", "label2"}


@pytest.mark.parametrize("then", ["fails", "releases"])
def test_a_renewed_lease_is_no_deadlock(place: str, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    one, two = prepared(place, 2)
    with open_store(place) as store:
        store.work.queue(two, ["caption"])
    has_turn, waits = threading.Event(), threading.Event()

    def fails() -> None:
        with open_store(place) as store:
            store.work.claim(["embed"], 1, 0)

            def job() -> None:
                store.work.failed(two, ["embed"], "broken", 0)
                monkeypatch.setattr(pg_workers, "RENEWED", -1)  # from now on, each renewal is due
                has_turn.set()
                assert waits.wait(PATIENCE)
                if then == "fails":
                    store.work.failed(two, ["caption"], "broken", 0)
                else:
                    store.work.release([two])

            store.changing([two], job)

    def ends() -> None:
        assert has_turn.wait(PATIENCE)
        with open_store(place) as store:
            store.workers.own()

            def job() -> None:
                describe(store, one, "one")  # locks the row of the worker, and waits for its turn at the end
                waits.set()

            store.changing([one], job)

    in_threads(fails, ends)
    with open_store(place) as store:
        assert store.work.of(two)["embed"][2] == "broken"
        assert store.work.of(one) == {}
