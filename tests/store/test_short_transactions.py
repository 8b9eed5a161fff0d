"""A change of stages goes through the whole library in short transactions, and is done again where it was interrupted."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, ItemsView, Mapping

import pytest
from store_library import MODEL, put

from imgret import column_filling, requeue, stage_results
from imgret.config import Settings, parse
from imgret.photo import ModelIdentity
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.postgres import pg_documents, pg_results
from imgret.store.records import TextColumn
from imgret.store.shared import content_steps
from imgret.store.sqlite import connection as sqlite_connection
from imgret.store.sqlite import results as sqlite_results

PHOTOS = 11
CAPTION, NEW = "caption", ModelIdentity("new", "2")
ALL = dict.fromkeys(("decode", CAPTION), NEW)
Texts = Callable[[str, str], Mapping[str, str]]


class Interrupted(BaseException):
    """What ends a process between two steps."""


class EndsAt(dict[str, ModelIdentity]):
    """Models that end the process when they are read for the third time."""

    reads = 0

    def items(self) -> ItemsView[str, ModelIdentity]:
        self.reads += 1
        if self.reads == 3:
            raise Interrupted
        return super().items()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (content_steps, pg_results, pg_documents):
        monkeypatch.setattr(module, "AT_ONCE", 2)
    monkeypatch.setattr(sqlite_results, "REBUILT", 2)
    monkeypatch.setattr(sqlite_connection, "GAP_AFTER", 0.0)


@pytest.fixture
def contents(store: Store, photo_root: None) -> list[int]:
    """Photos with captions, whose words are not in the index because it lacks the column."""
    store.text_columns.set([])
    made = [put(store, b"/p/%d.jpg" % number) for number in range(PHOTOS)]
    for number, content in enumerate(made):
        store.results.save(content, CAPTION, MODEL, [f"boat number{number}"])
        store.results.refresh_words(content)
    assert found(store, "boat") == []
    return made


def found(store: Store, word: str) -> list[int]:
    return sorted(store.words.best(store.words.terms([word]), 99, 999).tolist())


def at_call(number: int, do: Callable[[], object], *more: tuple[int, Callable[[], object]]) -> Texts:
    """The words of results; before the words of the result with a number, something is done."""
    calls, done = itertools.count(1), dict([(number, do), *more])

    def texts(stage: str, payload: str) -> Mapping[str, str]:
        done.get(next(calls), lambda: None)()
        return original(stage, payload)

    original = stage_results.texts
    return texts


def interrupt() -> None:
    raise Interrupted


@pytest.mark.parametrize("call", [1, 4, PHOTOS])
def test_filling_a_column_goes_on_after_an_interruption(
    store: Store, second: Store, contents: list[int], call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(stage_results, "texts", at_call(call, interrupt))
        with pytest.raises(Interrupted):
            requeue.prepare(store, Settings(), ALL)
    complete = contents[: (call - 1) // 2 * 2]
    assert found(second, "boat") == complete
    assert store.setting("models") is None
    assert second.documents.check() == []
    assert requeue.prepare(second, Settings(), ALL) == 2 * PHOTOS
    assert found(store, "boat") == contents
    assert [found(store, f"number{number}") for number in range(PHOTOS)] == [[each] for each in contents]
    assert requeue.prepare(second, Settings(), ALL) == 0


def test_another_process_goes_on_although_nothing_changed_for_it(
    store: Store, second: Store, contents: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    requeue.prepare(second, Settings(), ALL)
    column_filling.begin(store, [CAPTION])
    store.results.save(contents[0], CAPTION, MODEL, ["a tree"])
    assert found(store, "tree") == []
    assert requeue.prepare(second, Settings(), ALL) == 0
    assert found(store, "tree") == contents[:1]


def test_others_write_while_a_column_is_filled(
    store: Store, place: str, contents: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, wanted, written = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with open_store(place) as other:
            opened.set()
            wanted.wait(60)
            other.results.write_note(contents[-1], "from another process")
        written.set()

    def let_write() -> None:
        wanted.set()
        time.sleep(0.2)  # it waits for the lock

    writer = threading.Thread(target=write)
    writer.start()
    opened.wait(60)
    notes: list[bool] = []
    column_filling.begin(store, [CAPTION])
    store.text_columns.set([TextColumn(CAPTION, CAPTION)])
    texts = at_call(3, let_write, (PHOTOS, lambda: notes.append(written.is_set())))
    monkeypatch.setattr(stage_results, "texts", texts)
    column_filling.run(store)
    assert notes == [True]
    writer.join()
    assert found(store, "boat") == contents
    assert found(store, "process") == contents[-1:]


def test_all_words_are_rebuilt_in_steps(store: Store, contents: list[int]) -> None:
    store.text_columns.set([TextColumn(CAPTION, CAPTION)])
    with pytest.raises(Interrupted):
        store.results.rebuild_words(at_call(6, interrupt))
    assert found(store, "boat") == contents[:4]
    store.results.rebuild_words(stage_results.texts)
    assert found(store, "boat") == contents


def test_queueing_is_done_again_after_an_interruption(store: Store, contents: list[int]) -> None:
    for content in contents:
        store.work.queue(content, ["detect"])
    with pytest.raises(Interrupted):
        store.work.queue_outdated(EndsAt({CAPTION: NEW}), ["detect"])
    assert store.work.waiting() == {CAPTION: 4, "detect": PHOTOS - 4}
    assert store.work.queue_outdated({CAPTION: NEW}, ["detect"]) == PHOTOS - 4
    assert store.work.waiting() == {CAPTION: PHOTOS}


def test_a_change_that_was_interrupted_and_taken_back_loses_no_work(
    store: Store, second: Store, contents: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    requeue.prepare(store, Settings(), ALL)
    assert store.work.waiting() == dict.fromkeys(ALL, PHOTOS)
    monkeypatch.setattr(store, "give_way", interrupt)
    with pytest.raises(Interrupted):
        requeue.prepare(store, parse('[caption]\nweights = "none"'), {"decode": NEW})
    assert 0 < store.work.waiting()[CAPTION] < PHOTOS
    requeue.prepare(second, Settings(), ALL)
    assert store.work.waiting() == dict.fromkeys(ALL, PHOTOS)


def test_each_host_fills_the_columns_of_its_stages(store: Store, contents: list[int]) -> None:
    store.text_columns.set([TextColumn(CAPTION, CAPTION), TextColumn("elsewhere", "elsewhere")])
    column_filling.begin(store, ["elsewhere"])
    column_filling.begin(store, [CAPTION])
    column_filling.run(store)
    assert found(store, "boat") == contents
    assert json.loads(store.setting("columns to fill") or "") == {"elsewhere": 0}
    column_filling.rebuild(store)
    assert found(store, "boat") == contents


def test_words_of_stages_that_are_not_installed_here_survive_a_rebuild(
    store: Store, contents: list[int]
) -> None:
    store.text_columns.set([TextColumn(CAPTION, CAPTION), TextColumn("elsewhere", "elsewhere")])
    store.results.save(contents[0], "elsewhere", MODEL, [], texts={"elsewhere": "purple"})
    column_filling.rebuild(store)
    assert found(store, "purple") == contents[:1]
    assert found(store, "boat") == contents


def test_words_of_a_column_that_another_process_dropped_are_left_out(
    store: Store, contents: list[int]
) -> None:
    store.text_columns.set([TextColumn(CAPTION, CAPTION)])
    store.results.rebuild_words(lambda _, payload: {CAPTION: payload, "dropped": "gone"}, [CAPTION])
    assert found(store, "boat") == contents
    assert found(store, "gone") == []


def test_a_column_and_its_letters_go_in_steps(store: Store, second: Store, contents: list[int]) -> None:
    columns = [TextColumn(CAPTION, CAPTION), TextColumn("ocr", "ocr", substrings=True)]
    store.text_columns.set(columns)
    for content in contents:
        store.results.save(content, "ocr", MODEL, {}, texts={"ocr": "AIRFRANCE"})
        store.results.refresh_words(content)
    store.text_columns.set([columns[0], columns[1]._replace(substrings=False)])
    assert store.documents.check() == []
    assert found(second, "airfrance") == contents
    second.text_columns.set(columns)
    assert store.documents.check() == []
    store.text_columns.set(columns[:1])
    assert found(second, "airfrance") == []
    assert second.documents.check() == []
    assert found(second, "5") == contents[5:6]  # in the name
    with store.writing():  # also as a part of a longer transaction
        store.text_columns.set(columns)
        store.results.save(contents[0], "ocr", MODEL, {}, texts={"ocr": "AIRFRANCE"})
        store.text_columns.set(columns[:1])
    assert found(second, "airfrance") == []


def test_forgetting_a_stage_forgets_its_columns_and_work(store: Store, contents: list[int]) -> None:
    store.text_columns.set([TextColumn(CAPTION, CAPTION), TextColumn("colour", "colour")])
    for content in contents:
        store.results.save(content, "colour", MODEL, [], texts={"colour": "red"})
        store.work.queue(content, ["colour", CAPTION])
    column_filling.begin(store, ["colour"])
    column_filling.run(store)  # nobody here has this stage
    assert found(store, "red") == contents
    store.forget_stage("colour")
    assert found(store, "red") == []
    assert store.work.waiting() == {CAPTION: PHOTOS}
    assert store.stages() == {CAPTION}
    column_filling.run(store)
    assert found(store, "boat") == []
    column_filling.begin(store, [CAPTION])
    column_filling.run(store)
    assert found(store, "boat") == contents
