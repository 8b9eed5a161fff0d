"""Errors of foreign kinds at the boundary of each of the daemon's threads: a sentence, and it goes on."""

import asyncio
import errno
import os
import threading
import time

import pytest
from imgretd import daemon_service, operations, worker
from imgretd.loaded_models import LoadedModels
from imgretd.worker import Worker
from waiting import until

from imgret.config import parse, places
from imgret.ingest import Ingest
from imgret.limits import as_sentence, shortage
from imgret.pipeline.loading import identities, load_models
from imgret.requeue import prepare
from imgret.search.warm_index import WarmIndexLoader
from imgret.store.factory import open_store
from imgret.store.sqlite import results
from imgret.sync import add_root, sync
from testbed.home import WORDLLAMA
from testbed.small_pngs import write_picture

FOREIGN = [
    OverflowError("timestamp out of range"),
    ValueError("embedded null byte"),
    RecursionError("maximum recursion depth exceeded"),
    RuntimeError("can't start new thread"),
    MemoryError(),
    OSError(errno.EMFILE, "Too many open files"),
    KeyError("k"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    AssertionError(),
    type("PanicException", (BaseException,), {})("a library in Rust gave up"),
]
kinds = pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)


@kinds
def test_every_error_has_a_sentence_of_one_line(error):
    problems = as_sentence(error)
    assert problems
    assert "\n" not in problems
    assert (shortage(error) is not None) == isinstance(error, (MemoryError, OSError)) or "thread" in problems


@pytest.fixture
def library(tmp_path):
    """Settings, and an index with three photos that are still to be described."""
    settings = parse(WORDLLAMA)
    for number in range(3):
        write_picture(tmp_path / f"{number}.png", number)
    with open_store(places().index) as store:
        root, _ = add_root(store, os.fsencode(tmp_path))
        sync(store, settings, root)
    return settings


@pytest.fixture
def start(library, monkeypatch):
    """Start a worker with a loader of models. Return it, and the list of its problems."""
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.2)
    started = []

    def run(load):
        problems = []
        thread = Worker(
            places(),
            library,
            LoadedModels(library, places(), load),
            on_progress=lambda *_: None,
            on_problem=problems.append,
            on_change=lambda: None,
            on_file_changed=lambda _folder: None,
        )
        thread.start()
        started.append(thread)
        return thread, problems

    yield run
    for thread in started:
        thread.stop()
        thread.join(20)
        assert not thread.is_alive()


def vectors():
    with open_store(places().index) as store:
        return store.row("SELECT count(DISTINCT content) FROM vector")[0]


@kinds
def test_the_describing_thread_reports_what_failed_and_continues(start, error):
    failures = [error, error]

    def load(settings, places, stages):
        if failures:
            raise failures.pop()
        return load_models(settings, places, stages)

    thread, problems = start(load)
    until(lambda: vectors() == 3)
    until(lambda: thread.problem is None and thread.idle)
    assert problems == [as_sentence(error)]


def test_an_unexpected_error_fails_one_photo(start, monkeypatch):
    saved = results.Results.save

    def save(group, content, stage, *rest, **more):
        if content == 2 and stage == "embed":
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        saved(group, content, stage, *rest, **more)

    monkeypatch.setattr(results.Results, "save", save)
    thread, problems = start(load_models)
    until(lambda: vectors() == 2)
    until(lambda: thread.idle)
    with open_store(places().index) as store:
        (failure,) = store.failures.all()
    assert "too large" in failure.error
    assert os.fsdecode(failure.path) in failure.error
    assert problems == []


def test_a_stored_result_that_cannot_be_read_fails_that_photo(start, monkeypatch):
    stored = results.Results.payloads

    def payloads(group, content):
        if content == 1:
            raise ValueError("not JSON")
        return stored(group, content)

    monkeypatch.setattr(results.Results, "payloads", payloads)
    thread, problems = start(load_models)
    until(lambda: vectors() == 2)
    until(lambda: thread.idle)
    with open_store(places().index) as store:
        assert [failure.error.partition(": ")[2] for failure in store.failures.all()] == [
            "unexpected ValueError: not JSON"
        ]
    assert problems == []


@kinds
def test_without_memory_for_the_vectors_the_tables_are_searched(library, monkeypatch, error):
    from imgret.search import warm_index

    def fails(*_):
        raise error

    loading = warm_index.WarmIndex
    monkeypatch.setattr(warm_index, "WarmIndex", fails)
    keeper = WarmIndexLoader(places().index)
    with open_store(places().index) as store:
        prepare(store, library, identities(library, places()))
        Ingest(store, library, load_models(library, places())).run()
        assert keeper.current(store) is None
        keeper.wait()
        monkeypatch.setattr(warm_index, "WarmIndex", loading)
        keeper.current(store)
        keeper.wait()
        assert keeper.current(store) is not None


@kinds
def test_the_start_the_timers_and_a_reload_survive_what_fails(library, monkeypatch, error):
    monkeypatch.setattr(daemon_service, "BEGIN_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(daemon_service, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # the service sets its own
    daemon = daemon_service.Service(places(), library, load_models)
    configure, ticks, configured = daemon.threads.folders.configure, [], []

    def fails_at_first(store, settings):
        configured.append(1)
        if len(configured) < 3:
            raise error
        configure(store, settings)

    def tick():
        ticks.append(1)
        raise error

    monkeypatch.setattr(daemon.threads.folders, "configure", fails_at_first)
    monkeypatch.setattr(daemon.threads.folders, "tick", tick)

    async def live():
        running = asyncio.create_task(daemon.run())
        seen = set()

        async def come_to(condition):
            end = time.monotonic() + 30
            while not condition():
                assert time.monotonic() < end
                seen.add(daemon.operations.state()["problem"])
                await asyncio.sleep(0.01)

        await come_to(lambda: daemon.threads.begun and len(ticks) > 2)
        assert as_sentence(error) in seen
        monkeypatch.setattr(operations, "load", lambda _path: (_ for _ in ()).throw(error))
        daemon._hung_up()
        await daemon._reloading
        await come_to(lambda: daemon.operations.state()["state"] == "idle")
        daemon.leave()
        await asyncio.wait_for(running, 20)

    asyncio.run(live())


def test_a_full_gpu_makes_photos_wait_and_counts_no_attempt(start, monkeypatch):
    from imgret.stages.embed import EmbedModel

    full, run, attempts = threading.Event(), EmbedModel.run, []
    full.set()

    def short_of_memory(model, items):
        if full.is_set():
            raise RuntimeError("CUDA error: out of memory")
        return run(model, items)

    monkeypatch.setattr(EmbedModel, "run", short_of_memory)
    thread, problems = start(load_models)
    for _ in range(12):  # more often than a photo is tried
        until(lambda: thread.problem is not None and "the GPU has too little free memory" in thread.problem)
        with open_store(places().index) as store:
            attempts.append(store.row("SELECT max(attempts) FROM work")[0])
            assert not store.failures.all()
        time.sleep(0.1)
    full.clear()
    until(lambda: vectors() == 3)
    until(lambda: thread.problem is None and thread.idle)
    assert max(attempts) <= 1
    assert problems
