"""The tiny checkpoints, loaded once by the production loaders for all tests of the models."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgret.config import Places, Settings
from imgret.demo.bundled import demo_settings
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models

if TYPE_CHECKING:
    from failing_models import ThreadDecoder

# Tests are imported by path (importlib mode), so the folder of their helper `hub_server` must be added here.
sys.path.insert(0, str(Path(__file__).parent))


def places_in(home: Path) -> Places:
    """Return the places of a user with the home folder `home`."""
    return Places(
        config=str(home / "config.toml"),
        index=str(home / "index.db"),
        state=str(home / "state"),
        models=str(home / "models"),
        socket=str(home / "socket"),
    )


@pytest.fixture
def here(tmp_path: Path) -> Places:
    """Return empty places for one test."""
    return places_in(tmp_path)


@pytest.fixture(scope="session")
def tiny() -> Settings:
    """Return settings with the four bundled checkpoints."""
    return demo_settings()


@pytest.fixture(scope="session")
def models(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """The four bundled checkpoints, loaded."""
    loaded = load_models(tiny, places_in(tmp_path_factory.mktemp("models")))
    assert not loaded.missing, loaded.missing
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """24 small PNG files; the pixels of the file with the number n have the colour (n, 0, 0)."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number in range(24):
        path = folder / f"{number}.png"
        Image.new("RGB", (3 + number, 5), (number, 0, 0)).save(path)
        paths.append(bytes(path))
    return paths


@pytest.fixture(scope="module")
def decoder() -> Iterator[ThreadDecoder]:
    """Opens files in threads of this process."""
    from failing_models import ThreadDecoder

    decoder = ThreadDecoder()
    yield decoder
    decoder.gate.set()
    decoder.pool.shutdown()
