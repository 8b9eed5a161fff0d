"""The engines that the conformance suite runs on. Every test of this folder uses the interface alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from store_engines import BACKUP_FILE, WATCH, Engine

from imgret.store.factory import open_store
from imgret.store.interface import Store

ENGINES = (Engine("sqlite", lambda folder: str(folder / "index.db"), frozenset({BACKUP_FILE, WATCH})),)


@pytest.fixture(scope="session", params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def able(request: pytest.FixtureRequest, engine: Engine) -> None:
    """Skip a test that is marked `needs(ability)` where the engine lacks the ability."""
    for marker in request.node.iter_markers("needs"):
        if lacking := set(marker.args) - engine.abilities:
            pytest.skip(f"{engine.name} lacks {', '.join(sorted(lacking))}")


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> str:
    """Where a store can be made."""
    folder = tmp_path / "store"
    folder.mkdir()
    return engine.new_place(folder)


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """An empty store. It must be sound at the end of every test."""
    with open_store(place) as opened:
        yield opened
        assert opened.problems() == []
        assert opened.documents.check() == []


@pytest.fixture
def second(store: Store, place: str) -> Iterator[Store]:
    """Another connection to the same store."""
    with open_store(place) as opened:
        yield opened


@pytest.fixture
def photo_root(store: Store) -> None:
    """The root /p, below which the tests put their photos."""
    store.roots.add(b"/p")
