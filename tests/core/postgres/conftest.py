"""A library on a real PostgreSQL server, without photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from imgret.store.factory import open_store
from imgret.store.interface import Store


@pytest.fixture
def place(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The place of a library that is not there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = postgres_server.new_library()
    yield made
    postgres_server.remove_library(made)


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """The library, which must be in order when the test ends."""
    with open_store(place) as opened:
        yield opened
        assert opened.problems() == []
        assert opened.documents.check() == []
