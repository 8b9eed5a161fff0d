"""Models for the tests of the pipeline: functions of the pixels and the texts that fail when a test wants it.

The decoder opens real files in threads.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from imgret.decode.decoder_handle import Decoded
from imgret.errors import PhotoError
from imgret.photo import Detection, Facts, ModelIdentity
from imgret.pipeline.models import Models
from imgret.stages.caption import CaptionModel
from imgret.stages.detect import DetectModel
from imgret.stages.embed import EmbedModel
from imgret.stages.topics import TopicsModel

NAMES = ("caption", "detect", "topics", "embed")
ALL = frozenset({"decode", *NAMES})


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
    """A model that fails on demand: `when` sees the items of each call and may raise."""

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
