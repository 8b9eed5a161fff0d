"""A library of few photos that has codes, as large ones have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from coded_library import few_photos_are_many, filled

from imgret.store.interface import Store


@pytest.fixture(scope="module", autouse=True)
def many() -> Iterator[None]:
    with few_photos_are_many():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with filled(tmp_path / "index.db") as made:
        yield made
