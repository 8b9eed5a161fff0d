"""What waits for what in the pipeline: slow files, twins, a run that is stopped or left, and its progress."""

from __future__ import annotations

import shutil
import time
from collections import Counter

import pytest
from failing_models import ALL, describing_threads, function, models, outcomes, plain
from waiting import until

from imgret.errors import PhotoError
from imgret.models.batching import BatchSize
from imgret.photo import Facts
from imgret.pipeline.pipeline import Job, Pipeline

TEXT = frozenset({"topics", "embed"})


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


def test_photos_with_equal_pixels_are_decoded_and_run_no_model(files, decoder):
    bundle = models()
    pipeline = Pipeline(bundle, decoder, known_pixels=lambda job, pixels: pixels[0] < 20)
    found = outcomes(pipeline, [Job(key, path, ALL) for key, path in enumerate(files)])
    assert {key for key, outcome in found.items() if outcome.twin} == set(range(20))
    assert sum(function(bundle, "caption").calls) == len(files) - 20
    assert found[0].facts == Facts("PNG", 3, 5)
    assert plain(found[0])[1:3] == ({}, {})


def described_by_pixels(pipeline, jobs, saved):
    """The outcomes of `jobs`; the pixels of what is saved without a failure are known from then on."""
    found = {}
    for batch in pipeline.run(jobs):
        for outcome in batch:
            assert outcome.key not in found
            found[outcome.key] = outcome
            if not outcome.failures:
                saved.add(outcome.pixel_hash)
    return found


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_photos_wait_for_one_with_the_same_pixels_and_run_no_model(files, decoder, batch):
    bundle, saved = models(detect=lambda items: time.sleep(0.01)), set()
    pipeline = Pipeline(bundle, decoder, batch=batch, known_pixels=lambda job, pixels: pixels in saved)
    jobs = [Job(key, files[key % 6], ALL) for key in range(60)]
    found = described_by_pixels(pipeline, jobs, saved)
    assert len(found) == 60
    assert sum(not outcome.twin for outcome in found.values()) == 6
    assert sum(function(bundle, "caption").calls) == 6


def test_a_photo_is_described_itself_if_the_one_with_the_same_pixels_fails(files, decoder):
    fails = iter([True])

    def detect(items):
        if next(fails, False):
            raise PhotoError("it is broken")

    bundle, saved = models(detect=detect), set()
    pipeline = Pipeline(bundle, decoder, batch=1, known_pixels=lambda job, pixels: pixels in saved)
    found = described_by_pixels(pipeline, [Job(key, files[0], ALL) for key in range(5)], saved)
    assert sum(bool(outcome.failures) for outcome in found.values()) == 1
    assert Counter(outcome.twin for outcome in found.values()) == {True: 3, False: 2}


def test_copies_that_all_fail_are_decoded_at_most_twice(files, decoder, monkeypatch):
    def detect(items):
        raise PhotoError("it is broken")

    submit, decoded = decoder.submit, []
    monkeypatch.setattr(
        decoder, "submit", lambda path, *a, **k: decoded.append(path) or submit(path, *a, **k)
    )
    pipeline = Pipeline(models(detect=detect), decoder, batch=1, known_pixels=lambda *_: False)
    found = described_by_pixels(pipeline, [Job(key, files[0], ALL) for key in range(12)], set())
    assert len(found) == 12
    assert len(decoded) <= 24


def test_a_run_is_stopped_while_photos_wait_for_others(files, decoder):
    jobs = [Job(key, files[key % 2], ALL) for key in range(30)]
    pipeline = Pipeline(
        models(detect=lambda items: time.sleep(0.05)), decoder, batch=1, known_pixels=lambda *_: False
    )
    for _ in pipeline.run(jobs):
        pipeline.stop()
    assert not describing_threads()


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


def test_progress_counts_every_photo(files, decoder):
    pipeline = Pipeline(models(), decoder, batch=BatchSize(4, 4))
    for batch in pipeline.run(Job(key, path, ALL) for key, path in enumerate(files)):
        now = pipeline.stats
        assert now.saving >= len(batch)
        assert now.decoding + now.waiting + now.describing + now.saving + now.done <= len(files)
    last = pipeline.stats
    assert (last.decoding, last.waiting, last.describing, last.saving, last.done) == (0, 0, 0, 0, len(files))
    assert set(last.stage_seconds) == {"caption", "detect", "topics", "embed"}
    assert Counter(seconds > 0 for seconds in last.stage_seconds.values()) == {True: 4}


@pytest.mark.parametrize("copies", [False, True])
def test_photos_in_flight_may_get_a_greater_precedence(files, decoder, copies):
    """The last one comes next. Of two copies, the one that was decoded first comes, whichever has the greater precedence."""
    paths = [*files[:9], files[4] if copies else files[9]]

    def detect(items):
        until(lambda: pipeline.stats.done > 0 or pipeline.stats.waiting == len(paths) - 1)

    known = (lambda job, pixels: False) if copies else None
    pipeline = Pipeline(models(detect=detect), decoder, batch=1, known_pixels=known)
    order = []
    for batch in pipeline.run(Job(key, path, ALL) for key, path in enumerate(paths)):
        if not order:
            pipeline.raise_precedence({9: 2, 77: 2})
        order += [outcome.key for outcome in batch]
    assert sorted(order) == list(range(10))
    # The thread that describes has taken one more meanwhile.
    assert {4, 9}.intersection(order[:3]) if copies else 9 in order[:3]
