"""Copying a library to another engine and back keeps everything."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import psycopg
import pytest
from postgres_server import PostgresServer
from waiting import until

from imgret import stage_results
from imgret.errors import IndexProblem
from imgret.photo import Facts, FileStat, ModelIdentity, PhotoDate, Tag, TextLine
from imgret.store import copying
from imgret.store.clauses import Clause, Containing, Has, Near, Taken
from imgret.store.factory import exists, open_store
from imgret.store.interface import Store
from imgret.store.postgres import pg_transfer
from imgret.store.records import SpaceTraits, TextColumn
from imgret.store.sqlite import row_transfer
from imgret.store.table_rows import TABLES

MODEL = ModelIdentity("model", "1", "{}")
NOW = 1_700_000_000


def interrupt(done: int, total: int) -> None:
    """Stop the copying in the middle."""
    if done > total // 2:
        raise KeyboardInterrupt


def fill(store: Store) -> None:
    store.text_columns.set([TextColumn("caption", "caption"), TextColumn("ocr", "ocr", 0.5, substrings=True)])
    root = store.roots.add(b"/p", watched=True).id
    store.roots.mark_mounted(root, b"disk", "ext4:1")
    rng = np.random.default_rng(3)
    for number in range(1, 60):
        name = b"\xff%d.jpg" % number
        stat, hash_ = FileStat(number, 2, 3, 4), number.to_bytes(32, "big")
        content, _ = store.photos.save(root, b"Caf\xc3\xa9", name, stat, hash_, NOW, born=5)
        facts = Facts("JPEG", 40, 30, NOW + number, "Camera", 1.25, -0.1)
        store.contents.save_facts(content, facts, hash_, bytes(range(90)))
        if number % 5 == 0:
            store.contents.save_date(content, PhotoDate(NOW - 90_000 - number, "xmp", "day", -210, "5"))
            store.contents.save_position(content, (48.1, 11.5))
            store.sidecars.save(root, b"Caf\xc3\xa9", name + b".xmp", stat)
            payload = [TextLine("BAKERY", 0.99, (0, 0, 1, 0, 1, 1, 0, 1))]
            store.results.save(content, "ocr", MODEL, payload, texts={"ocr": "BAKERY"})
        store.results.save(content, "caption", MODEL, ["a red car"], texts={"caption": "a red car"})
        store.results.save(content, "detect", MODEL, [], tags=[Tag("object", "dog", number)])
        vector = rng.normal(size=8).astype(np.float32)
        vector /= np.linalg.norm(vector)
        store.vectors.save(content, MODEL, {"passage": vector}, "embed", SpaceTraits("passage"))
        store.results.refresh_words(content)
        if number % 7 == 0:
            store.results.write_note(content, "ours: naïve 海滩")
            store.work.queue(content, ["topics"])
            store.work.failed(content, ["topics"], "it failed", NOW)
    store.photos.save_unreadable(root, b"", b"broken.jpg", FileStat(1, 1, 1, 1), "it is empty", NOW)
    store.photos.mark_deleted(root, b"Caf\xc3\xa9", [b"\xff3.jpg"], NOW)
    edited = store.photos.save(root, b"Caf\xc3\xa9", b"\xff7.jpg", FileStat(9, 9, 9, 9), b"e" * 32, NOW)[0]
    store.notes.settle(edited, store.contents.content_named((14).to_bytes(32, "big")))
    store.remember("requests", "5")
    store.results.rebuild_words(stage_results.texts)  # without the names of the photo that was deleted


def copied(source: Store, target: Store) -> None:
    copying.copy(source, target, lambda done, total: None)
    derive(target)
    copying.finish(target)
    assert target.problems() == []
    assert target.documents.check() == []


def derive(target: Store) -> None:
    target.results.rebuild_words(stage_results.texts)
    target.vectors.rebuild()


def assert_equal(one: Store, other: Store) -> None:
    for table in TABLES:
        with one.reading(), other.reading():
            assert list(other.transfer.read(table)) == list(one.transfer.read(table)), table.name
    assert other.text_columns.all() == one.text_columns.all()
    assert other.summary.progress() == one.summary.progress()
    assert other.summary.totals() == one.summary.totals()
    assert other.failures.all() == one.failures.all()
    assert other.setting("requests") == "5"
    for query in ("red car", "海滩", "dogs", "naive"):
        terms = one.words.terms([query])
        assert other.words.terms([query]) == terms
        assert other.words.best(terms, 50, 1000).tolist() == one.words.best(terms, 50, 1000).tolist()
    for filter_ in (Containing("aker"), Has("text"), Near(48.2, 11.5, 20), Taken(None, NOW)):
        expected = one.filters.matching([Clause(filter_)]).tolist()
        assert other.filters.matching([Clause(filter_)]).tolist() == expected != []
    assert other.facets.dates() == one.facets.dates()
    space = one.vectors.active_space()
    assert space is not None
    assert other.vectors.active_space() == space
    query = np.eye(8, dtype=np.float32)[0]
    assert other.nearest.search(space, query, 9).tolist() == one.nearest.search(space, query, 9).tolist()


def test_a_library_is_the_same_after_each_copy(postgres_server: PostgresServer, tmp_path: Path) -> None:
    place = postgres_server.new_library()
    with (
        open_store(str(tmp_path / "index.db")) as one,
        open_store(place) as server,
        open_store(str(tmp_path / "again.db")) as back,
    ):
        fill(one)
        copied(one, server)
        assert_equal(one, server)
        copied(server, back)
        assert_equal(one, back)
        later = server.photos.save(1, b"", b"later.jpg", FileStat(1, 1, 1, 1), b"l" * 32, NOW)[0]
        assert later > max(row[0] for rows in one.transfer.read(TABLES[2]) for row in rows)
        with pytest.raises(IndexProblem, match="not empty"):
            copied(one, server)
    postgres_server.remove_library(place)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_copy_that_is_interrupted_again_and_again_continues(
    engine: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_transfer, "STEP", 7)
    monkeypatch.setattr(pg_transfer, "STEP", 7)
    place = postgres_server.new_library() if engine == "postgres" else str(tmp_path / "copy.db")
    with open_store(str(tmp_path / "index.db")) as one:
        fill(one)
        starts: list[int] = []  # rows that were there at the beginning of each run

        def begin_or_interrupt(done: int, total: int) -> None:
            if len(starts) == run:
                starts.append(done)
            elif done > starts[run] + 100:
                raise KeyboardInterrupt

        for run in range(20):  # noqa: B007 - read above
            with open_store(place, unfinished=True) as target:
                try:
                    copying.copy(one, target, begin_or_interrupt)
                except KeyboardInterrupt:
                    pass
                else:
                    break
            with pytest.raises(IndexProblem, match="not finished"):
                open_store(place)
        assert len(starts) > 3
        assert all(
            later > earlier for earlier, later in pairwise(starts)
        )  # rows stay and are not copied again
        with open_store(place, unfinished=True) as target:
            derive(target)
            copying.finish(target)
        with open_store(place) as target:
            assert_equal(one, target)
    if engine == "postgres":
        postgres_server.remove_library(place)


def test_a_source_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    place = str(tmp_path / "copy.db")
    with open_store(str(tmp_path / "index.db")) as one, open_store(place) as target:
        fill(one)
        with pytest.raises(KeyboardInterrupt):
            copying.copy(one, target, interrupt)
        one.photos.mark_deleted(1, b"Caf\xc3\xa9", [b"\xff4.jpg"], NOW)
        with pytest.raises(IndexProblem, match="has changed since"):
            copying.copy(one, target, lambda done, total: None)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_an_unfinished_copy_can_be_removed_and_nothing_else(
    engine: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    place = postgres_server.new_library() if engine == "postgres" else str(tmp_path / "copy.db")
    source = str(tmp_path / "index.db")
    with open_store(source) as one:
        fill(one)
        with open_store(place, unfinished=True) as target, pytest.raises(KeyboardInterrupt):
            copying.copy(one, target, interrupt)
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}

    def discard(target: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "imgret", "copy-index", source, target, "--discard"]
        return subprocess.run(command, env=environ, capture_output=True, check=False)

    assert discard(place).returncode == 0
    assert not exists(place)
    with open_store(source) as one, open_store(place, unfinished=True) as target:
        copying.copy(one, target, lambda done, total: None)
        copying.finish(target)
    refused = discard(place)
    assert refused.returncode == 3
    assert b"no unfinished copy" in refused.stderr
    assert discard(str(tmp_path / "nothing.db")).returncode == 3
    with open_store(place) as target:
        assert target.summary.totals().photos > 50
    if engine == "postgres":
        postgres_server.remove_library(place)


def test_a_killed_command_continues_when_it_is_run_again(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    place = postgres_server.new_library()
    source = str(tmp_path / "index.db")
    with open_store(source) as one:
        fill(one)
    command = [sys.executable, "-m", "imgret", "copy-index", source, place]
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with psycopg.connect(place, autocommit=True) as db:
        open_store(place).close()
        db.execute("BEGIN")
        db.execute("LOCK TABLE note IN SHARE MODE")  # the copy waits here
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with psycopg.connect(place, autocommit=True) as watching:
            until(lambda: watching.execute("SELECT 1 FROM tag").fetchone(), 60)
        process.kill()
        assert process.communicate()[1].count(b"Traceback") == 0
        db.execute("ROLLBACK")
    done = subprocess.run(
        [sys.executable, "-m", "imgret", "query", "dog"],
        env={**environ, "IMGRET_INDEX": place},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    assert b"not finished" in done.stderr
    again = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    with open_store(source) as one, open_store(place) as server, one.reading(), server.reading():
        for table in TABLES[2:]:  # roots and mounts are those of the worker that copied
            assert list(server.transfer.read(table)) == list(one.transfer.read(table)), table.name
        assert server.summary.progress() == one.summary.progress()
    postgres_server.remove_library(place)
