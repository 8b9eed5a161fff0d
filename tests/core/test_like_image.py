"""A photo that is not in the index is compared by the image encoder, and nothing else is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgret.config import Settings, places
from imgret.errors import UsageError
from imgret.photo import ModelIdentity
from imgret.pipeline.models import Models
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.search.similar import likeness
from imgret.stages.interface import Result
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits

MODEL = ModelIdentity("given", "1")


class ImageEncoder:
    """An image encoder whose vector is given."""

    def __init__(self, identity: ModelIdentity, vector: Any) -> None:
        self.identity, self.dimension, self._vector = identity, len(vector), vector

    def run(self, items: Any) -> list[Result]:
        return [Result(("image",), {"image": self._vector}) for _ in items]


def test_a_photo_outside_the_index_is_embedded_by_the_image_encoder_alone(
    store: Store, add: Callable[..., int], units: Callable[..., Any], tmp_path: Path
) -> None:
    rows = units(12)
    contents = [add(f"{number}.png") for number in range(12)]
    with store.writing():
        for content, row in zip(contents, rows, strict=True):
            store.vectors.save(content, MODEL, {"image": row}, "image", SpaceTraits("image", 1.0))
    loaded: list[list[str]] = []

    class Encoders:
        def encoder(self, stage: str, wanted: ModelIdentity) -> Any:
            raise AssertionError("no text is to be encoded")

        def for_query_image(self, stages: Any) -> Models:
            loaded.append(sorted(stages))
            return Models({"image": ImageEncoder(MODEL, rows[7])})  # type: ignore[dict-item]

    service = SearchService(store, Settings(), places(), encoders=Encoders())
    other = str(tmp_path / "new.png")
    Image.fromarray(np.random.default_rng(9).integers(0, 255, (24, 32, 3), np.uint8)).save(other)
    for ranking in ("hybrid", "image"):
        hits = service.find(SearchRequest(like=other, rank=ranking)).hits
        assert os.path.basename(hits[0].path) == b"7.png"
        assert hits[0].confidence == max(hit.confidence for hit in hits)
    assert loaded == [["image"], ["image"]]

    for model, reason in (
        (ImageEncoder(ModelIdentity("other", "1"), rows[7]), "are still those of given, not of other"),
        (ImageEncoder(MODEL, rows[7] * np.nan), "no usable vector"),
        (None, "cannot be loaded"),
    ):
        models = Models({"image": model} if model else {})  # type: ignore[dict-item]
        with pytest.raises(UsageError, match=reason):
            likeness(store, os.fsencode(other), lambda _, models=models: models, Settings())
