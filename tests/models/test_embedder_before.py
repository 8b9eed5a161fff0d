"""After a change of embedder the questions go on in the space of the old vectors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from imgret.config import WORDLLAMA, EmbedSettings, places
from imgret.demo.bundled import MODELS, demo_settings
from imgret.errors import WeightsError
from imgret.models.loading import identities, load_embedder_of
from imgret.photo import Stage


def test_the_embedder_before_is_found_again(tmp_path: Path) -> None:
    here = places()
    mine = tmp_path / "mine"
    shutil.copytree(os.path.join(MODELS, "embed"), mine)
    before = replace(demo_settings(), embed=EmbedSettings(weights=str(mine)))
    identity = identities(before, here)[Stage.EMBED]
    after = replace(before, embed=EmbedSettings(weights=WORDLLAMA))

    for settings in (before, after):
        embedder = load_embedder_of(identity, settings, here)
        assert embedder.identity == identity
        embedder.close()

    shutil.rmtree(here.state)  # it may be lost: what is configured needs no record
    embedder = load_embedder_of(identity, before, here)
    assert embedder.identity == identity
    embedder.close()
    shutil.rmtree(here.state)
    with pytest.raises(WeightsError, match="no longer here"):
        load_embedder_of(identity, after, here)
