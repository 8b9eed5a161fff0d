"""Rebuilding `nearest` beside the table in use, while others write."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from text_spaces import VIEWS, table, text_space

from imgret.errors import IndexBusy
from imgret.photo import ModelIdentity
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.sqlite import nearest, nearest_build, nearest_table, vectors

Units = Callable[..., Any]
Bulk = Callable[[Sequence[Any], ModelIdentity], list[int]]
A, B = ModelIdentity("a", "1"), ModelIdentity("b", "1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_build, "STEP", 50)


@pytest.mark.parametrize("coded", [False, True])
def test_others_write_between_the_steps_and_what_they_write_is_found(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, coded: bool
) -> None:
    monkeypatch.setattr(nearest, "EXACT", 100 if coded else 10_000)
    rows = units(303, dimension=32)
    contents = bulk(rows[:300], A)
    steps: list[int] = []
    with open_store(store.path) as other:
        other.db.set_busy_timeout(0)  # would fail at once if the lock were held

        def write(done: int, _total: int) -> None:
            if len(steps) < 3:
                at = len(steps)
                other.vectors.save(contents[at], A, {"passage": rows[300 + at]})
                other.vectors.remove(contents[200 + at])
                assert other.nearest.search(text_space(other), rows[300 + at], 1).tolist() == [contents[at]]
            steps.append(done)

        assert store.nearest.rebuild(text_space(store), write)
        assert len(steps) >= 6
        assert other.nearest.check(text_space(other)) == []
        first, second = nearest_table.names(text_space(other).id)
        assert table(other) == second
        for at in range(3):
            assert other.nearest.search(text_space(other), rows[300 + at], 1).tolist() == [contents[at]]
        found = set(other.nearest.search(text_space(other), rows[0], 300).tolist())
        assert found == set(contents) - set(contents[200:203])
    assert store.nearest.rebuild(text_space(store))  # and back to the first name
    assert table(store) == first
    assert not nearest_table.exists(store.db, second)
    assert store.nearest.check(text_space(store)) == []
    assert store.problems() == []


def test_other_writers_get_a_turn_between_two_steps(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is left alone for long enough that a process which looks for it now and then gets it."""
    monkeypatch.setattr(nearest_build, "PAUSE", 0.1)
    bulk(units(450, dimension=32), A)
    steps: list[int] = []
    written: set[int] = set()
    over = threading.Event()

    def write() -> None:
        with open_store(store.path) as other:
            other.db.set_busy_timeout(0)
            while not over.wait(0.01):
                with contextlib.suppress(IndexBusy):
                    other.remember("written", str(len(steps)))
                    written.add(len(steps))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert store.nearest.rebuild(text_space(store), lambda done, _total: steps.append(done))
    finally:
        over.set()
        writer.join()
    assert len(steps) == 10
    assert len(written) >= 5, written


def test_of_two_builds_the_later_one_is_used(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(160)
    contents = bulk(rows, A)
    inner: list[bool] = []
    with open_store(store.path) as other:

        def also(_done: int, _total: int) -> None:
            if not inner:
                inner.append(other.nearest.rebuild(text_space(other)))

        assert not store.nearest.rebuild(text_space(store), also)
    assert inner == [True]
    assert store.nearest.check(text_space(store)) == []
    assert store.nearest.search(text_space(store), rows[3], 1).tolist() == contents[3:4]


def test_what_a_killed_build_left_is_no_trouble(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(160)
    contents = bulk(rows, A)

    def die(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.nearest.rebuild(text_space(store), die)
    assert store.nearest.search(text_space(store), rows[3], 1).tolist() == contents[3:4]
    store.vectors.save(contents[0], A, {"passage": rows[0]})
    assert store.nearest.rebuild(text_space(store))
    assert store.nearest.check(text_space(store)) == []


def test_another_embedder_takes_over_while_others_write(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "DROPPED", 30)
    old, new = units(120), units(120, dimension=8, seed=5)
    contents = bulk(old, A)
    for content, row in zip(contents, new, strict=True):
        store.vectors.save(content, B, {"passage": row})
    late = []
    with open_store(store.path) as other:
        real = nearest_build.NearestBuild.build

        def build(*arguments: Any, **named: Any) -> bool:
            # A photo with a vector of the old embedder alone comes while the table is being made.
            root = other.roots.all()[0]
            if not late:
                late.append(other.photos.save(root.id, b"", b"late.jpg", _print(), b"l" * 32, 1)[0])
                other.vectors.save(late[0], A, {"passage": old[0]})
            return real(*arguments, **named)

        monkeypatch.setattr(nearest_build.NearestBuild, "build", build)
        assert not store.vectors.activate_when_complete(B)
        assert store.vectors.active_model() == A
        assert store.nearest.search(text_space(store), old[7], 1).tolist() == [contents[7]]
        other.vectors.save(late[0], B, {"passage": new[0]})
        assert store.vectors.activate_when_complete(B)
    assert store.vectors.active_model() == B
    assert store.nearest.search(text_space(store), new[7], 1).tolist() == [contents[7]]
    assert list(store.rows("SELECT count(*) FROM space")) == [(1,)]
    assert store.nearest.check(text_space(store)) == []
    assert np.isnan(store.vectors.of(text_space(store), np.array([999]), VIEWS)["passage"]).all()


def _print() -> Any:
    from imgret.photo import FileStat

    return FileStat(1, 1, 1, 1)
