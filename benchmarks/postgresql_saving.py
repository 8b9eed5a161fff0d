"""The part of `benchmarks.postgresql` that saves results, as describing does: 64 photos in one transaction."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import numpy as np

from imgret import stage_results
from imgret.photo import Detection, Facts, FileStat, ModelIdentity
from imgret.stages import registry
from imgret.stages.interface import DECODE, Result
from imgret.store.interface import Store

BATCH = 64
BATCHES = 4
NOW = 1_700_000_000
MODEL = ModelIdentity("benchmark", "1", "")
CAPTION = "a brown dog running on a sandy beach near the water"


def saving(name: str, store: Store) -> None:
    """Print how many photos a second are saved with a caption, objects, topics and two kinds of vectors."""
    root = store.roots.add(b"/saved").id
    contents = []
    with store.writing():
        for number in range(BATCH * BATCHES):
            hash_ = hashlib.blake2b(b"saved %d" % number, digest_size=32).digest()
            stat = FileStat(number, 1, 1, number)
            contents.append(store.photos.save(root, b"", b"IMG_%04d.jpg" % number, stat, hash_, NOW)[0])
            store.work.queue(contents[-1], [DECODE, *(stage for stage, _ in _results(0))], 7)
    began = time.perf_counter()
    for start in range(0, len(contents), BATCH):
        claims = store.work.claim({DECODE, *(stage for stage, _ in _results(0))}, BATCH, NOW, request=7)
        assert len(claims) == BATCH, start
        with store.writing():
            for claim in claims:
                _save(store, claim.content)
    print(
        f"{name}: {len(contents) / (time.perf_counter() - began):.0f} photos saved a second, {BATCH} a transaction"
    )


def _results(number: int) -> Iterator[tuple[str, Result]]:
    vectors = np.random.default_rng(number).normal(size=(3, 768)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    yield "image", Result(None, {"image": vectors[0]})
    yield "caption", Result((CAPTION,))
    yield (
        "detect",
        Result(tuple(Detection(label, 0.9, (0, 0, 9, 9)) for label in ("dog", "person", "person"))),
    )
    yield "topics", Result(("sports", "travel_&_adventure"))
    yield "embed", Result(("captions", "passage"), {"passage": vectors[1], "captions": vectors[2]})


def _save(store: Store, content: int) -> None:
    """The statements of `imgret.ingest` for a photo of which everything is new."""
    before = store.contents.facts(content)
    assert before is None
    pixels = hashlib.blake2b(b"pixels %d" % content, digest_size=32).digest()
    store.contents.save_facts(content, Facts("JPEG", 4000, 3000, NOW, "Camera"), pixels, bytes(90))
    for _ in store.notes.candidates(content):
        pass
    store.notes.settle(content, None)
    stage_results.payloads(store, content)
    results = dict(_results(content))
    for stage, result in results.items():
        stage_results.save(store, content, stage, MODEL, result)
    store.results.refresh_words(content)
    store.work.done(content, [DECODE, *results])
    store.work.queue(content, registry.installed().all_followers(results) - {DECODE, *results}, 7)
    store.work.of(content)
    store.work.of(content)
