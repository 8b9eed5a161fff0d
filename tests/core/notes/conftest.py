"""An empty library for notes, with a real decoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from noted_library import Library

from imgret.decode.pool import DecodePool


@pytest.fixture(scope="session")
def decoder() -> Iterator[DecodePool]:
    with DecodePool(1) as pool:
        yield pool


@pytest.fixture
def library(tmp_path: Path, decoder: DecodePool) -> Iterator[Library]:
    made = Library(tmp_path, decoder)
    yield made
    made.index.close()
