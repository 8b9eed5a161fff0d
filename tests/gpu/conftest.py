"""The device of these tests, and the tiny checkpoints on it.

`IMGRET_TEST_DEVICE` names the device. On `cpu` the tests that concern no GPU memory and no CUDA graph run as well, which
proves the tests themselves.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from imgret.config import Places, Settings, places
from imgret.decode.pool import DecodePool
from imgret.demo import draw
from imgret.demo.bundled import demo_settings
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models

DEVICE = os.environ.get("IMGRET_TEST_DEVICE", "cuda:0")
PHOTOS = 16

LoadTiny = Callable[..., Models]


@pytest.fixture(scope="session")
def device() -> str:
    """The device under test; without it the test is skipped."""
    import torch

    if DEVICE != "cpu" and not torch.cuda.is_available():
        pytest.skip(f"torch sees no CUDA device, so nothing runs on {DEVICE}")
    return DEVICE


@pytest.fixture(scope="session")
def cuda(device: str) -> str:
    """The device under test, for tests of what only a GPU has."""
    if device == "cpu":
        pytest.skip("a processor has neither CUDA graphs nor memory of its own")
    return device


@pytest.fixture(scope="session")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Empty places."""
    return places({"HOME": str(tmp_path_factory.mktemp("places"))})


@pytest.fixture(scope="session")
def tiny_in() -> Callable[..., Settings]:
    """Return the settings of the tiny checkpoints, in a dtype, with several captions of each photo."""

    def settings(dtype: str = "float32", device: str | tuple[str, ...] = "auto") -> Settings:
        base = demo_settings()
        changed = {
            stage: msgspec.structs.replace(base.of(stage), dtype=dtype)
            for stage in ("image", "caption", "detect", "embed")
        }
        changed["caption"] = msgspec.structs.replace(
            changed["caption"], captions=2, prompts=("a picture of", "red")
        )
        return msgspec.structs.replace(base, device=device).with_tables(**changed)

    return settings


@pytest.fixture(scope="session")
def exact(tiny_in: Callable[..., Settings], somewhere: Places, device: str) -> Iterator[Models]:
    """The tiny checkpoints on the device under test, in float32."""
    models = load_models(tiny_in(), somewhere, device=device)
    assert not models.missing, models.missing
    yield models
    models.close()


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Files of drawings in both orientations, with one to six shapes."""
    folder, rng = tmp_path_factory.mktemp("drawings"), random.Random(20)
    found = []
    for number in range(PHOTOS):
        size = rng.choice((draw.LANDSCAPE, draw.PORTRAIT))
        drawing = draw.single(rng, size) if number % 2 else draw.scene(rng, rng.randint(2, 6), size)
        path: Path = folder / f"{number}.png"
        draw.render(drawing).save(path)
        found.append(bytes(path))
    return found


@pytest.fixture(scope="session")
def decoder() -> Iterator[DecodePool]:
    with DecodePool(2) as pool:
        yield pool
