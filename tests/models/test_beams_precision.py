"""The precisions of a GPU, tried on the processor: the same sentences and nearly the same vectors."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from imgret.demo import draw
from imgret.describe.loading import load_models
from imgret.photo import Stage


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_says_what_float32_says(models, tiny, here, dtype):
    rng = random.Random(7)
    images = [np.asarray(draw.render(draw.single(rng))) for _ in range(12)]
    captions = models.caption.caption(images)
    pairs = [("represent the sports title:", caption) for caption in captions]
    settings = msgspec.structs.replace(
        tiny,
        caption=msgspec.structs.replace(tiny.caption, dtype=dtype),
        embed=msgspec.structs.replace(tiny.embed, dtype=dtype),
    )
    half = load_models(settings, here, {Stage.CAPTION, Stage.EMBED})
    assert not half.missing
    found = half.caption.caption(images)
    assert sum(mine == its for mine, its in zip(found, captions, strict=True)) >= 11
    vectors = half.embed.embed(pairs)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.min(np.sum(vectors * models.embed.embed(pairs), axis=1)) > 0.999
    half.close()
