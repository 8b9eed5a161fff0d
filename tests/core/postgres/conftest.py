"""A library on a real PostgreSQL server, without photos."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer
from sound_store import sound_store

from imgret.store.interface import Store


@pytest.fixture
def place(postgres_server: PostgresServer) -> Iterator[str]:
    """The place of a library that is not there yet."""
    made = postgres_server.new_library()
    yield made
    postgres_server.remove_library(made)


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """The library, which must be in order when the test ends."""
    with sound_store(place) as opened:
        yield opened
