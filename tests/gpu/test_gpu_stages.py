"""All stages on the device describe photos as they do on a processor."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from imgret.pipeline.loading import load_models
from imgret.pipeline.pipeline import Job, Pipeline
from imgret.stages import passage

pytestmark = pytest.mark.gpu

STAGES = frozenset({"decode", "image", "caption", "detect", "topics", "embed"})
BOX = 2e-3  # of the photo's side: cuDNN convolves float32 in TF32, which has 10 bits


def described(models, decoder, paths, batch=0):
    """Return the outcomes of the photos, in order."""
    line = Pipeline(models, decoder, batch=batch)
    found = [
        outcome for part in line.run(Job(*each, STAGES) for each in enumerate(paths)) for outcome in part
    ]
    for outcome in found:
        assert not outcome.failures, outcome.failures
        assert outcome.results.keys() == STAGES - {"decode"}
    return sorted(found, key=lambda outcome: outcome.key)


def counts(outcome):
    return passage.counts(outcome.results["detect"].payload)


def cosines(one, other, stage):
    """Return the cosines between the vectors of one stage, over all views and photos."""
    return [
        float(vector @ theirs.results[stage].vectors[view])
        for mine, theirs in zip(one, other, strict=True)
        for view, vector in mine.results[stage].vectors.items()
    ]


def assert_same(found, expected):
    """Words and counts are equal; boxes and vectors differ by rounding."""
    for mine, theirs in zip(found, expected, strict=True):
        for stage in ("caption", "topics"):
            assert mine.results[stage].payload == theirs.results[stage].payload
        assert counts(mine) == counts(theirs)
        boxes, others = (
            sorted((each.label, each.box) for each in outcome.results["detect"].payload)
            for outcome in (mine, theirs)
        )
        for (_, box), (_, other) in zip(boxes, others, strict=True):
            assert box == pytest.approx(other, abs=BOX)
        for stage in ("image", "embed"):
            assert mine.results[stage].vectors.keys() == theirs.results[stage].vectors.keys()
    assert min(cosines(found, expected, "image")) > 0.9999
    assert min(cosines(found, expected, "embed")) > 0.9999


@pytest.fixture(scope="module")
def on_a_processor(tiny_in, somewhere, decoder, drawings):
    """What one processor makes of the photos, in float32, one by one."""
    models = load_models(tiny_in(), somewhere, device="cpu")
    found = described(models, decoder, drawings, batch=1)
    models.close()
    assert len({outcome.results["caption"].payload for outcome in found}) > len(drawings) / 2
    assert max(len(outcome.results["caption"].payload) for outcome in found) > 1, "captions in the plural"
    return found


@pytest.mark.parametrize("batch", [1, 5, 0])
def test_float32_results_equal_those_of_a_processor(exact, decoder, drawings, on_a_processor, batch):
    assert_same(described(exact, decoder, drawings * 2, batch), on_a_processor * 2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_agrees_with_float32(exact, tiny_in, somewhere, device, decoder, drawings, dtype):
    expected = described(exact, decoder, drawings)
    models = load_models(tiny_in(dtype), somewhere, device=device)
    assert not models.missing, models.missing
    found = described(models, decoder, drawings)
    models.close()
    pairs = list(zip(found, expected, strict=True))
    same = [mine.results["caption"].payload[0] == its.results["caption"].payload[0] for mine, its in pairs]
    counted = [counts(mine) == counts(its) for mine, its in pairs]
    alike = [pair for pair, one, other in zip(pairs, same, counted, strict=True) if one and other]
    passages = [
        float(mine.results["embed"].vectors["passage"] @ its.results["embed"].vectors["passage"])
        for mine, its in alike
        if mine.results["topics"].payload == its.results["topics"].payload
    ]
    images = cosines(found, expected, "image")
    print(
        f"{dtype} on {device}, {len(pairs)} photos: captions {np.mean(same):.1%}, counts {np.mean(counted):.1%},"
        f" smallest cosine of images {min(images):.5f}, of equal passages {min(passages):.5f}"
    )
    assert np.mean(same) >= 0.9
    assert np.mean(counted) >= 0.9
    assert min(images) > 0.998
    assert min(passages) > 0.998
    for outcome in found:
        for vector in (
            *outcome.results["image"].vectors.values(),
            *outcome.results["embed"].vectors.values(),
        ):
            assert vector.dtype == np.float32
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_two_describing_threads_share_the_device_with_searches(
    tiny_in, somewhere, device, decoder, drawings, exact, on_a_processor
):
    """While one thread records its decoding step, the other one describes and a third one embeds queries."""
    models = load_models(tiny_in(device=(device, device)), somewhere)
    assert len(models.peers) == 1
    assert not models.unused_devices
    ended, rows = threading.Event(), []

    def search():
        while not ended.is_set():
            rows.append(exact["embed"].embedder.embed([("", "a red circle")])[0])

    searching = threading.Thread(target=search)
    searching.start()
    try:
        found = described(models, decoder, drawings * 2, batch=4)
    finally:
        ended.set()
        searching.join()
        models.close()
    assert_same(found, on_a_processor * 2)
    assert rows
    assert min(float(row @ rows[0]) for row in rows) > 0.9999
