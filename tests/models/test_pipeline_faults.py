"""Each job has exactly one outcome, whatever breaks: memory, models, files, the run itself.

The models here are plain functions of the pixels and the texts that can be told to fail; the decoder
opens real files in threads.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgret.decode.decoder_handle import Decoded
from imgret.errors import PhotoError, WeightsError
from imgret.limits import Shortage
from imgret.models.batching import BatchSize
from imgret.photo import Detection, Facts, ModelIdentity
from imgret.pipeline.models import Models
from imgret.pipeline.pipeline import Job, Pipeline
from imgret.stages.caption import CaptionModel
from imgret.stages.detect import DetectModel
from imgret.stages.embed import EmbedModel
from imgret.stages.topics import TopicsModel

NAMES = ("caption", "detect", "topics", "embed")
ALL = frozenset({"decode", *NAMES})
TEXT = frozenset({"topics", "embed"})


class ThreadDecoder:
    """Opens files in threads; a file named slow waits for `gate`."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(2)
        self.gate = threading.Event()

    def submit(self, path, expected=None, *, sidecars=(), with_pixels=True):
        return self.pool.submit(self._decode, path)

    def _decode(self, path):
        if b"slow" in path:
            assert self.gate.wait(20)
        try:
            pixels = np.array(Image.open(path).convert("RGB"))
        except OSError as error:
            raise PhotoError(f"{path!r}: {error}") from None
        height, width, _ = pixels.shape
        return Decoded(Facts("PNG", width, height), pixels, pixels.tobytes()[:3], b"")


class Fails:
    """A model that fails when asked to: `when` sees the items of each call and may raise."""

    identity = ModelIdentity("function", "1")
    dimension = 4

    def __init__(self, when=lambda items: None):
        self.when = when
        self.calls = []

    def close(self):
        pass

    def _seen(self, items):
        self.calls.append(len(items))
        self.when(items)

    def captions(self, images):
        self._seen(images)
        return [[f"value {image[0, 0, 0]}"] for image in images]

    def detect(self, images):
        self._seen(images)
        return [(Detection(f"thing{image[0, 0, 0]}", 0.5, (0, 0, 1, 1)),) for image in images]

    def topics(self, texts):
        self._seen(texts)
        return [(f"about_{text}",) for text in texts]

    def embed(self, pairs):
        self._seen(pairs)
        rows = np.array([[1, len(a), len(b), sum(b.encode())] for a, b in pairs], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


WRAPPERS = {"caption": CaptionModel, "detect": DetectModel, "topics": TopicsModel, "embed": EmbedModel}


def models(**when):
    return Models(
        {stage: wrap(Fails(when.get(stage, lambda items: None))) for stage, wrap in WRAPPERS.items()}
    )


def function(bundle, stage):
    """The model inside a stage's model."""
    (found,) = (value for value in vars(bundle[stage]).values() if isinstance(value, Fails))
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number in range(24):
        path = folder / f"{number}.png"
        Image.new("RGB", (3 + number, 5), (number, 0, 0)).save(path)
        paths.append(bytes(path))
    return paths


@pytest.fixture(scope="module")
def decoder():
    decoder = ThreadDecoder()
    yield decoder
    decoder.gate.set()
    decoder.pool.shutdown()


def outcomes(pipeline, jobs):
    found = {}
    for batch in pipeline.run(jobs):
        assert batch
        for outcome in batch:
            assert outcome.key not in found, "two outcomes for one job"
            found[outcome.key] = outcome
    return found


def plain(outcome):
    """An outcome as something that can be compared."""
    results = {
        stage: (result.payload, {view: tuple(map(float, v)) for view, v in result.vectors.items()})
        for stage, result in outcome.results.items()
    }
    failures = {stage: str(error) for stage, error in outcome.failures.items()}
    return outcome.facts, results, failures, outcome.twin


def describing_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("describe-")]


STAGES = st.frozensets(st.sampled_from(sorted(ALL)))
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "caption": st.sampled_from([(), ("a dog",), ("a dog", "a red dog")]),
        "detect": st.just((Detection("dog", 0.9, (0, 0, 1, 1)),)),
        "topics": st.just(("sports",)),
    },
)
NOTES = st.none() | st.just("at the lake")


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.lists(st.tuples(st.integers(0, 25), STAGES, KNOWN, NOTES), max_size=24),
    batch=st.integers(1, 9),
    absent=st.frozensets(st.sampled_from(NAMES)),
    devices=st.integers(1, 3),
)
def test_each_job_has_one_outcome_equal_to_that_alone(files, decoder, wanted, batch, absent, devices):
    paths = [*files, b"/nowhere/at/all.png", files[0] + b".txt"]
    jobs = [
        Job(key, paths[number], stages, known, note, "lake 2021")
        for key, (number, stages, known, note) in enumerate(wanted)
    ]

    def bundle():
        bundle = models()
        for stage in absent:
            del bundle.loaded[stage]
        return bundle

    several = bundle()
    several.peers = [bundle() for _ in range(devices - 1)]
    together = outcomes(Pipeline(several, decoder, batch=batch), jobs)
    assert sorted(together) == [job.key for job in jobs]
    for job in jobs:
        alone = outcomes(Pipeline(bundle(), decoder, batch=1), [job])[job.key]
        assert plain(together[job.key]) == plain(alone)
        made = together[job.key]
        assert made.results.keys() <= job.stages - absent
        assert not made.results.keys() & made.failures.keys()
    assert not describing_threads()


@pytest.mark.parametrize("stage", NAMES)
def test_memory_that_runs_out_costs_time_and_nothing_else(files, decoder, stage):
    def too_many(items):
        if len(items) > (8 if stage == "embed" else 2):  # texts, of which a photo has three
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")

    jobs = [Job(key, path, ALL) for key, path in enumerate(files)]
    released = []
    short = models(**{stage: too_many})
    pipeline = Pipeline(short, decoder, batch=8, release=lambda: released.append(stage))
    assert {k: plain(o) for k, o in outcomes(pipeline, jobs).items()} == {
        k: plain(o) for k, o in outcomes(Pipeline(models(), decoder, batch=8), jobs).items()
    }
    assert released
    assert max(function(short, stage).calls[-4:]) <= (12 if stage == "embed" else 4)  # it has learnt


@pytest.mark.parametrize("stage", NAMES)
def test_a_gpu_too_full_for_one_photo_ends_the_run_and_fails_no_photo(files, decoder, stage):
    """Then `imgret index` says so, and the daemon tries again; both release what they had claimed."""

    def full(items):
        raise RuntimeError("CUDA error: out of memory")

    released = []
    pipeline = Pipeline(models(**{stage: full}), decoder, batch=8, release=lambda: released.append(stage))
    with pytest.raises(Shortage, match="the GPU has too little free memory"):
        for batch in pipeline.run(Job(key, path, ALL) for key, path in enumerate(files)):
            assert not any(outcome.failures for outcome in batch)
    assert released
    assert not describing_threads()


@pytest.mark.parametrize("stage", NAMES)
def test_a_photo_that_breaks_a_model_costs_itself_alone(files, decoder, stage):
    def broken(items):
        for item in items:
            if isinstance(item, np.ndarray):
                seventh = item[0, 0, 0] == 7
            else:
                seventh = "value 7 " in f"{item[-1] if isinstance(item, tuple) else item} "
            if seventh:
                raise ValueError("cannot broadcast")

    jobs = [Job(key, path, ALL) for key, path in enumerate(files)]
    found = outcomes(Pipeline(models(**{stage: broken}), decoder, batch=8), jobs)
    failed = {key for key, outcome in found.items() if outcome.failures}
    assert failed == {7}
    assert list(found[7].failures) == [stage]
    assert found[7].failures[stage].transient
    assert ("embed" not in found[7].results) == (stage == "embed")


def test_vectors_without_a_direction_are_refused(files, decoder):
    class Zero(Fails):
        def embed(self, pairs):
            vectors = super().embed(pairs)
            for row, (_, text) in zip(vectors, pairs, strict=True):
                if "value 3 " in text:
                    row[:] = 0
                if "value 5 " in text:
                    row[0] = np.nan
            return vectors

    bundle = models()
    bundle.loaded["embed"] = EmbedModel(Zero())
    found = outcomes(Pipeline(bundle, decoder), [Job(key, path, ALL) for key, path in enumerate(files)])
    assert {key for key, outcome in found.items() if outcome.failures} == {3, 5}
    assert "embed" not in found[3].results
    assert set(found[4].results["embed"].vectors) == {"passage", "captions", "counts"}


def test_topics_follow_the_caption_alone(files, decoder):
    path = files[0]

    def topics(bundle, **known):
        job = Job(0, path, frozenset({"topics"}), known)
        result = outcomes(Pipeline(bundle, decoder), [job])[0].results.get("topics")
        return result and result.payload

    without = models()
    del without.loaded["caption"]  # not pulled yet
    unwanted = models()
    del unwanted.loaded["caption"]
    unwanted.disabled = {"caption"}
    assert topics(models(), caption=("a dog", "a cat")) == ("about_a dog",)
    assert topics(models(), caption=()) == ()
    assert topics(models()) is None
    assert topics(without) is None  # the caption may still come
    assert topics(unwanted) == ()  # it will not


def test_a_slow_file_delays_only_itself(files, decoder, tmp_path):
    slow = tmp_path / "slow.png"
    shutil.copy(files[1], bytes(slow))
    decoder.gate.clear()
    run = Pipeline(models(), decoder, batch=4).run(
        [Job(99, bytes(slow), ALL), *(Job(key, path, ALL) for key, path in enumerate(files))]
    )
    seen = []
    for batch in run:
        seen += [outcome.key for outcome in batch]
        if len(seen) == len(files):
            assert 99 not in seen
            decoder.gate.set()
    assert seen[-1] == 99


def test_photos_without_pixels_to_see_do_not_wait_for_those_that_have(files, decoder, tmp_path):
    slow = tmp_path / "slow.png"
    shutil.copy(files[1], bytes(slow))
    decoder.gate.clear()
    jobs = [Job(0, bytes(slow), ALL), Job(1, files[0], TEXT, {"caption": ("a dog",)})]
    run = Pipeline(models(), decoder).run(jobs)
    assert [outcome.key for outcome in next(run)] == [1]
    decoder.gate.set()
    assert [outcome.key for batch in run for outcome in batch] == [0]


def test_twins_cost_a_decode_and_no_model(files, decoder):
    bundle = models()
    pipeline = Pipeline(bundle, decoder, known_pixels=lambda job, pixels: pixels[0] < 20)
    found = outcomes(pipeline, [Job(key, path, ALL) for key, path in enumerate(files)])
    assert {key for key, outcome in found.items() if outcome.twin} == set(range(20))
    assert sum(function(bundle, "caption").calls) == len(files) - 20
    assert found[0].facts == Facts("PNG", 3, 5)
    assert plain(found[0])[1:3] == ({}, {})


def test_stopping_finishes_the_batch_in_flight_and_the_rest_can_be_done_later(files, decoder):
    jobs = [Job(key, path, ALL) for key, path in enumerate(files)]
    pipeline = Pipeline(models(detect=lambda items: time.sleep(0.1)), decoder, batch=2)
    first = {}
    for batch in pipeline.run(jobs):
        first |= {outcome.key: plain(outcome) for outcome in batch}
        pipeline.stop()
    assert 0 < len(first) < len(jobs)
    assert not describing_threads()
    rest = outcomes(pipeline, [job for job in jobs if job.key not in first])
    whole = {key: plain(outcome) for key, outcome in rest.items()} | first
    assert whole == {k: plain(o) for k, o in outcomes(Pipeline(models(), decoder), jobs).items()}


def test_leaving_in_the_middle_ends_the_threads(files, decoder):
    run = Pipeline(models(detect=lambda items: time.sleep(0.05)), decoder, batch=2).run(
        Job(key, path, ALL) for key, path in enumerate(files)
    )
    next(run)
    run.close()
    assert not describing_threads()


def test_errors_of_the_caller_and_of_the_run_travel(files, decoder):
    def jobs():
        yield Job(0, files[0], ALL)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Pipeline(models(), decoder).run(jobs()))

    def weights(items):
        raise WeightsError("not those of the record")

    with pytest.raises(WeightsError):
        list(Pipeline(models(topics=weights), decoder).run([Job(0, files[0], ALL)]))
    assert not describing_threads()


def test_progress_says_where_every_photo_is(files, decoder):
    pipeline = Pipeline(models(), decoder, batch=BatchSize(4, 4))
    for batch in pipeline.run(Job(key, path, ALL) for key, path in enumerate(files)):
        now = pipeline.stats
        assert now.saving >= len(batch)
        assert now.decoding + now.waiting + now.describing + now.saving + now.done <= len(files)
    last = pipeline.stats
    assert (last.decoding, last.waiting, last.describing, last.saving, last.done) == (0, 0, 0, 0, len(files))
    assert set(last.stage_seconds) == {"caption", "detect", "topics", "embed"}
    assert Counter(seconds > 0 for seconds in last.stage_seconds.values()) == {True: 4}
