"""`nearest` made anew beside the table that answers, while others write."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgret.errors import IndexBusy
from imgret.photo import ModelIdentity, View
from imgret.store.sqlite import nearest, nearest_build, nearest_table, photos, roots, vectors
from imgret.store.sqlite.connection import Index

Units = Callable[..., Any]
Bulk = Callable[[Sequence[Any], ModelIdentity], list[int]]
A, B = ModelIdentity("a", "1"), ModelIdentity("b", "1")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(str(tmp_path / "index.db")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_build, "STEP", 50)


@pytest.mark.parametrize("coded", [False, True])
def test_others_write_between_the_steps_and_what_they_write_is_found(
    index: Index, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, coded: bool
) -> None:
    monkeypatch.setattr(nearest, "EXACT", 100 if coded else 10_000)
    rows = units(303, dimension=32)
    contents = bulk(rows[:300], A)
    steps: list[int] = []
    with Index(index.path) as other:
        other.db.set_busy_timeout(0)  # would fail at once if the lock were held

        def write(done: int, _total: int) -> None:
            if len(steps) < 3:
                at = len(steps)
                vectors.save(other, contents[at], A, {View.PASSAGE: rows[300 + at]})
                vectors.remove(other, contents[200 + at])
                assert nearest.search(other, rows[300 + at], 1).tolist() == [contents[at]]
            steps.append(done)

        assert nearest.rebuild(index, write)
        assert len(steps) >= 6
        assert nearest.check(other) == []
        assert nearest_table.name(other.db) == nearest_table.NAMES[1]
        for at in range(3):
            assert nearest.search(other, rows[300 + at], 1).tolist() == [contents[at]]
        found = set(nearest.search(other, rows[0], 300).tolist())
        assert found == set(contents) - set(contents[200:203])
    assert nearest.rebuild(index)  # and back to the first name
    assert nearest_table.name(index.db) == nearest_table.NAMES[0]
    assert not nearest_table.exists(index.db, nearest_table.NAMES[1])
    assert nearest.check(index) == []
    assert index.problems() == []


def test_whoever_waits_to_write_comes_in_between_two_steps(
    index: Index, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is left alone for long enough that a process which looks for it now and then gets it."""
    monkeypatch.setattr(nearest_build, "PAUSE", 0.1)
    bulk(units(450, dimension=32), A)
    steps: list[int] = []
    written: set[int] = set()
    over = threading.Event()

    def write() -> None:
        with Index(index.path) as other:
            other.db.set_busy_timeout(0)
            while not over.wait(0.01):
                with contextlib.suppress(IndexBusy):
                    other.remember("written", str(len(steps)))
                    written.add(len(steps))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert nearest.rebuild(index, lambda done, _total: steps.append(done))
    finally:
        over.set()
        writer.join()
    assert len(steps) == 10
    assert len(written) >= 5, written


def test_of_two_builds_the_one_that_began_last_answers(index: Index, units: Units, bulk: Bulk) -> None:
    rows = units(160)
    contents = bulk(rows, A)
    inner: list[bool] = []
    with Index(index.path) as other:

        def also(_done: int, _total: int) -> None:
            if not inner:
                inner.append(nearest.rebuild(other))

        assert not nearest.rebuild(index, also)
    assert inner == [True]
    assert nearest.check(index) == []
    assert nearest.search(index, rows[3], 1).tolist() == contents[3:4]


def test_what_a_killed_build_left_is_no_trouble(index: Index, units: Units, bulk: Bulk) -> None:
    rows = units(160)
    contents = bulk(rows, A)

    def die(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nearest.rebuild(index, die)
    assert nearest.search(index, rows[3], 1).tolist() == contents[3:4]
    vectors.save(index, contents[0], A, {View.PASSAGE: rows[0]})
    assert nearest.rebuild(index)
    assert nearest.check(index) == []


def test_another_embedder_takes_over_while_others_write(
    index: Index, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "DROPPED", 30)
    old, new = units(120), units(120, dimension=8, seed=5)
    contents = bulk(old, A)
    for content, row in zip(contents, new, strict=True):
        vectors.save(index, content, B, {View.PASSAGE: row})
    late = []
    with Index(index.path) as other:
        real = nearest_build.build

        def build(*arguments: Any, **named: Any) -> bool:
            # A photo that the old embedder knows alone comes while the table is being made.
            root = roots.roots(other)[0]
            if not late:
                late.append(photos.save(other, root.id, b"", b"late.jpg", _print(), b"l" * 32, 1)[0])
                vectors.save(other, late[0], A, {View.PASSAGE: old[0]})
            return real(*arguments, **named)

        monkeypatch.setattr(nearest, "build", build)
        assert not vectors.settle(index, B)
        assert vectors.answering(index) == A
        assert nearest.search(index, old[7], 1).tolist() == [contents[7]]
        vectors.save(other, late[0], B, {View.PASSAGE: new[0]})
        assert vectors.settle(index, B)
    assert vectors.answering(index) == B
    assert nearest.search(index, new[7], 1).tolist() == [contents[7]]
    assert vectors.covered(index, A) == 0
    assert nearest.check(index) == []
    assert np.isnan(vectors.of(index, np.array([999]))[View.PASSAGE]).all()


def _print() -> Any:
    from imgret.photo import Fingerprint

    return Fingerprint(1, 1, 1, 1)
