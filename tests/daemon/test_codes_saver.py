"""Codes are saved when no vectors have been added for a while, and a problem is reported once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from coded_library import PHOTOS, add, few_photos_are_many, file_of, filled, images
from imgretd import codes_saver
from imgretd.codes_saver import CodesSaver

from imgret.search import saved_codes
from imgret.search.warm_index import WarmIndexLoader
from imgret.store.interface import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with few_photos_are_many(), filled(tmp_path / "index.db") as made:
        yield made


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that only the test moves."""
    now = [1000.0]
    monkeypatch.setattr(codes_saver.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def never() -> bool:
    return False


def test_codes_are_saved_a_minute_after_the_last_vector(store: Store, later: Callable[[float], None]) -> None:
    loader, saver = WarmIndexLoader(store.path), CodesSaver()
    loader.current(store)
    loader.wait()
    saver.save = loader.save
    for seconds in (0, 59):
        later(seconds)
        saver.when_idle(store, never)
        assert not file_of(store).exists()
    add(store, [PHOTOS + 1])
    saver.when_idle(store, never)
    later(59)
    saver.when_idle(store, never)
    assert not file_of(store).exists()
    later(1)
    saver.when_idle(store, lambda: True)  # work has arrived
    assert not file_of(store).exists()
    later(60)
    saver.when_idle(store, never)
    assert saved_codes.load(store, images(store)) is not None


def test_a_disk_that_is_full_is_reported_once(
    store: Store, later: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    saver = CodesSaver()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    saver.save = fails
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            later(61)
            saver.when_idle(store, never)
    assert ["a disk is full" in record.message for record in caplog.records] == [True]
