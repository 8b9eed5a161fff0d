"""The tiny checkpoints and the real decoder: for any photos, a batch gives the results of single photos."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgret.decode.pool import DecodePool
from imgret.demo import draw
from imgret.pipeline.models import Models
from imgret.pipeline.pipeline import Job, Outcome, Pipeline
from imgret.stages import passage
from imgret.stages.interface import StageModel

ALL = frozenset({"decode", "image", "caption", "detect", "topics", "embed"})
ROUNDING = 2e-5  # of a vector and of a box, between a batch and a single run


@pytest.fixture(scope="module")
def decoder():
    with DecodePool(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[bytes]:
    """Drawings in every mode and shape that a folder may hold."""
    folder = tmp_path_factory.mktemp("photos")
    drawn = draw.render(draw.Drawing("white", (320, 240), (draw.Shape("red", "circle", 160, 120, 70),)))
    made = {
        "rgb.png": drawn,
        "grey.png": drawn.convert("L"),
        "palette.png": drawn.convert("P"),
        "transparent.png": drawn.convert("RGBA"),
        "print.jpg": drawn.convert("CMYK"),
        "deep.png": Image.fromarray(np.asarray(drawn.convert("L")).astype(np.uint16) * 257),
        "bits.png": drawn.convert("1"),
        "dot.png": Image.new("RGB", (1, 1), "blue"),
        "wide.png": drawn.resize((800, 40)),
        "tall.png": drawn.resize((40, 800)),
        "upright.jpg": drawn.rotate(90, expand=True),
        "large.jpg": drawn.resize((1600, 1200)),
    }
    for name, image in made.items():
        image.save(folder / name)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a picture")
    (folder / "cut.jpg").write_bytes((folder / "large.jpg").read_bytes()[:2000])
    return [bytes(path) for path in sorted(folder.iterdir())]


def described(models: Models, decoder: DecodePool, jobs: list[Job], batch: int) -> dict[int, Outcome]:
    outcomes = [outcome for found in Pipeline(models, decoder, batch=batch).run(jobs) for outcome in found]
    assert sorted(outcome.key for outcome in outcomes) == sorted(job.key for job in jobs)
    return {outcome.key: outcome for outcome in outcomes}


def payload(outcome: Outcome, stage: str) -> Any:
    return outcome.results[stage].payload if stage in outcome.results else None


def vectors(outcome: Outcome) -> Mapping[str, Any]:
    return outcome.results["embed"].vectors if "embed" in outcome.results else {}


def assert_same(one: Outcome, other: Outcome) -> None:
    assert (one.facts, one.pixel_hash, one.twin) == (other.facts, other.pixel_hash, other.twin)
    assert one.results.keys() == other.results.keys()
    for stage in one.results.keys() - {"detect"}:
        assert one.results[stage].payload == other.results[stage].payload
    assert {stage: str(error) for stage, error in one.failures.items()} == {
        stage: str(error) for stage, error in other.failures.items()
    }
    found, others = payload(one, "detect") or (), payload(other, "detect") or ()
    assert [d.label for d in found] == [d.label for d in others]
    for mine, its in zip(found, others, strict=True):
        assert mine.box == pytest.approx(its.box, abs=ROUNDING)
        assert mine.confidence == pytest.approx(its.confidence, abs=ROUNDING)
    assert vectors(one).keys() == vectors(other).keys()
    for view, vector in vectors(one).items():
        np.testing.assert_allclose(vector, vectors(other)[view], atol=ROUNDING)


def test_a_batch_gives_the_results_of_single_images(models, decoder, files):
    jobs = [Job(key, path, ALL, names="holiday lake") for key, path in enumerate(files)]
    together = described(models, decoder, jobs, batch=len(jobs))
    alone = described(models, decoder, jobs, batch=1)
    for key, path in enumerate(files):
        assert_same(together[key], alone[key])
        broken = os.path.basename(path) in (b"empty.jpg", b"text.jpg", b"cut.jpg")
        assert ("decode" in together[key].failures) == broken
        assert ("embed" not in together[key].results) == broken
    plain = together[files.index(next(path for path in files if path.endswith(b"/rgb.png")))]
    assert "red circle" in payload(plain, "caption")[0]
    assert passage.counts(payload(plain, "detect")) == {"circle": 1}
    assert set(vectors(plain)) == {"passage", "captions", "counts"}


def test_text_stages_alone_give_what_the_whole_run_gave(models, decoder, files):
    whole = described(models, decoder, [Job(0, files[-1], ALL)], batch=1)[0]
    known = {stage: payload(whole, stage) for stage in ("caption", "detect")}
    job = Job(0, files[-1], frozenset({"topics", "embed"}), known, "by the sea")
    again = described(models, decoder, [job], batch=1)[0]
    assert again.facts is None
    assert payload(again, "topics") == payload(whole, "topics")
    np.testing.assert_allclose(vectors(again)["captions"], vectors(whole)["captions"], atol=ROUNDING)
    assert "note" in vectors(again)
    assert not np.allclose(vectors(again)["passage"], vectors(whole)["passage"], atol=1e-3)


def test_a_killed_decoder_fails_at_most_the_file_it_decoded(models, files):
    good = [path for path in files if path.endswith((b"rgb.png", b"large.jpg", b"wide.png"))]
    jobs = [Job(key, good[key % len(good)], ALL) for key in range(24)]
    failures = 0
    with DecodePool(2) as decoder:
        killed = False
        for batch in Pipeline(models, decoder, batch=4).run(jobs):
            failures += sum(bool(outcome.failures) for outcome in batch)
            if not killed and decoder.pids():
                os.kill(decoder.pids()[0], signal.SIGKILL)
                killed = True
    assert killed
    assert failures <= 1


def test_an_interrupted_run_is_taken_up_where_it_was_left(models, decoder, files):
    jobs = [Job(key, path, ALL) for key, path in enumerate(files)]
    run = Pipeline(models, decoder, batch=3).run(jobs)
    saved = {outcome.key: outcome for outcome in next(run)}
    run.close()  # the batch in flight is lost, and done again
    rest = described(models, decoder, [job for job in jobs if job.key not in saved], batch=3)
    for key, outcome in described(models, decoder, jobs, batch=5).items():
        assert_same((saved | rest)[key], outcome)


def test_a_real_lack_of_memory_halves_the_batch(models, decoder, files):
    """The captioner allocates more than the address space has, as soon as it gets more than one photo."""
    import torch

    class Greedy(StageModel):
        def run(self, items):
            if len(items) > 1:
                torch.empty(len(items) << 50, dtype=torch.uint8)
            return models["caption"].run(items)

    hungry = Models({**models.loaded, "caption": Greedy()})
    jobs = [Job(key, path, ALL) for key, path in enumerate(files)]
    short = described(hungry, decoder, jobs, batch=8)
    for key, outcome in described(models, decoder, jobs, batch=8).items():
        assert_same(short[key], outcome)
