"""The engines that the conformance suite runs on. Every test of this folder uses the interface alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from postgres_libraries import EmptyLibraries
from postgres_server import PostgresServer
from sound_store import sound_store
from store_engines import BACKUP_FILE, WATCH, Engine

from imgret.store.factory import open_store
from imgret.store.interface import Store

SQLITE = Engine("sqlite", lambda folder: str(folder / "index.db"), frozenset({BACKUP_FILE, WATCH}))


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return SQLITE if request.param == "sqlite" else request.getfixturevalue("postgres")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> Engine:
    """Libraries on a real server, each in a schema of its own."""
    libraries = EmptyLibraries(postgres_server)
    return Engine("postgres", lambda _: libraries.take(), remove=libraries.give_back, share=0.1)


@pytest.fixture(autouse=True)
def able(request: pytest.FixtureRequest, engine: Engine) -> None:
    """Skip a test that is marked `needs(ability)` where the engine lacks the ability."""
    for marker in request.node.iter_markers("needs"):
        if lacking := set(marker.args) - engine.abilities:
            pytest.skip(f"{engine.name} lacks {', '.join(sorted(lacking))}")


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Iterator[str]:
    """Where a store can be made, or an empty one is."""
    folder = tmp_path / "store"
    folder.mkdir()
    made = engine.new_place(folder)
    yield made
    engine.remove(made)


@pytest.fixture
def vacant(engine: Engine, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where no store is yet."""
    if engine is SQLITE:
        return str(tmp_path / "vacant.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_library()


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """An empty store. It must be sound at the end of every test."""
    with sound_store(place) as opened:
        yield opened


@pytest.fixture
def second(store: Store, place: str) -> Iterator[Store]:
    """Another connection to the same store."""
    with open_store(place) as opened:
        yield opened


@pytest.fixture
def photo_root(store: Store) -> None:
    """The root /p, below which the tests put their photos."""
    store.roots.add(b"/p")
