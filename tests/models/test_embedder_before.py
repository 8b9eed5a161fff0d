"""After a change of embedder searches continue in the space of the old vectors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from imgret.config import places
from imgret.demo.bundled import MODELS, demo_settings
from imgret.errors import WeightsError
from imgret.pipeline.loading import identities, load_model_of
from imgret.stages import registry
from imgret.stages.embed import EmbedSettings
from imgret.weights import WORDLLAMA


def test_the_embedder_before_is_found_again(tmp_path: Path) -> None:
    here = places()
    mine = tmp_path / "mine"
    shutil.copytree(os.path.join(MODELS, "embed"), mine)
    before = demo_settings().with_tables(embed=EmbedSettings(weights=str(mine)))
    identity = identities(before, here)["embed"]
    after = before.with_tables(embed=EmbedSettings(weights=WORDLLAMA))

    for settings in (before, after):
        embedder = load_model_of(registry.own()["embed"], identity, settings, here)
        assert embedder.identity == identity
        embedder.close()

    shutil.rmtree(here.state)  # it may be lost: what is configured needs no record
    embedder = load_model_of(registry.own()["embed"], identity, before, here)
    assert embedder.identity == identity
    embedder.close()
    shutil.rmtree(here.state)
    with pytest.raises(WeightsError, match="not on this disk"):
        load_model_of(registry.own()["embed"], identity, after, here)
