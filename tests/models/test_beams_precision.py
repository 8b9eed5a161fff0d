"""The precisions of a GPU, on the CPU: the same sentences and counts, and nearly the same vectors."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
import torch

from imgret.demo import draw
from imgret.pipeline.loading import identities, load_models
from imgret.stages import passage


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_captions_equal_those_of_float32(models, tiny, here, dtype):
    rng = random.Random(7)
    images = [np.asarray(draw.render(draw.single(rng))) for _ in range(12)]
    captions = [first for (first,) in models["caption"].captioner.captions(images)]
    pairs = [("represent the sports title:", caption) for caption in captions]
    settings = tiny.with_tables(
        caption=msgspec.structs.replace(tiny.of("caption"), dtype=dtype),
        embed=msgspec.structs.replace(tiny.of("embed"), dtype=dtype),
    )
    half = load_models(settings, here, {"caption", "embed"})
    assert not half.missing
    found = [first for (first,) in half["caption"].captioner.captions(images)]
    assert sum(mine == its for mine, its in zip(found, captions, strict=True)) >= 11
    vectors = half["embed"].embedder.embed(pairs)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.min(np.sum(vectors * models["embed"].embedder.embed(pairs), axis=1)) > 0.999
    half.close()


@pytest.mark.parametrize(("dtype", "pixels"), [("bfloat16", 1.0), ("float16", 0.2)])
def test_half_precision_counts_equal_those_of_float32(models, tiny, here, dtype, pixels):
    rng = random.Random(7)
    images = [np.asarray(draw.render(draw.single(rng))) for _ in range(12)]
    expected = models["detect"].detector.detect(images)
    assert sum(map(len, expected)) >= 12
    half = load_models(
        tiny.with_tables(detect=msgspec.structs.replace(tiny.of("detect"), dtype=dtype)),
        here,
        {"detect"},
    )
    assert not half.missing
    network = half["detect"].detector._yolo._model.predictor.model.backend.model
    assert {parameter.dtype for parameter in network.model[:-1].parameters()} == {getattr(torch, dtype)}
    found = half["detect"].detector.detect(images)
    assert (
        sum(passage.counts(mine) == passage.counts(its) for mine, its in zip(found, expected, strict=True))
        >= 11
    )
    moved = []
    for image, mine, its in zip(images, found, expected, strict=True):
        size = np.array([image.shape[1], image.shape[0]] * 2)
        boxes = np.array([one.box for one in its]) * size
        moved += [np.abs(boxes - np.array(one.box) * size).max(axis=1).min() for one in mine]
    assert np.median(moved) <= pixels
    assert (
        max(moved) < 32
    )  # of two boxes of one object with nearly equal confidence, the other one may be kept
    half.close()


def test_the_precision_of_the_detector_is_part_of_its_identity(tiny, here):
    """Another precision means another identity, so photos are detected again. `auto` adds nothing to it."""
    modes = {
        dtype: identities(
            tiny.with_tables(detect=msgspec.structs.replace(tiny.of("detect"), dtype=dtype)), here
        )["detect"].settings
        for dtype in ("auto", "float32", "bfloat16")
    }
    assert modes == {
        "auto": "confidence=0.25",
        "float32": "confidence=0.25 dtype=float32",
        "bfloat16": "confidence=0.25 dtype=bfloat16",
    }
