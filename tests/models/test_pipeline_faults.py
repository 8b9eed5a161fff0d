"""Each job has exactly one outcome, whatever breaks: memory, models, files, the run itself."""

from __future__ import annotations

import numpy as np
import pytest
from failing_models import ALL, NAMES, Fails, describing_threads, function, models, outcomes, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.errors import WeightsError
from imgret.limits import Shortage
from imgret.photo import Detection
from imgret.pipeline.pipeline import Job, Pipeline
from imgret.stages.embed import EmbedModel

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
def test_too_little_memory_makes_it_slower_and_changes_nothing_else(files, decoder, stage):
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
    """Then `imgret index` reports it, and the daemon tries again; both release what they had claimed."""

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
def test_a_photo_that_breaks_a_model_fails_alone(files, decoder, stage):
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
