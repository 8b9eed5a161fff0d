"""Detection works and yields the same if ultralytics changes undocumented parts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from ultralytics.engine.predictor import BasePredictor
from ultralytics.nn import tasks
from ultralytics.nn.autobackend import AutoBackend

from imgret.config import Settings
from imgret.demo import draw
from imgret.errors import WeightsError
from imgret.models import yolo_network, yolo_pickle
from imgret.models.model_protocols import Pixels
from imgret.models.yolo import YoloDetector
from imgret.photo import Detection, ModelIdentity
from imgret.pipeline.models import Models

Change = Callable[[pytest.MonkeyPatch], None]


def images() -> list[Pixels]:
    rng = random.Random(5)
    drawn = [
        np.asarray(draw.render(draw.scene(rng, 3, size))) for size in (draw.LANDSCAPE, draw.PORTRAIT) * 3
    ]
    return [*drawn, drawn[0][:150, :411]]


def detector(tiny: Settings, dtype: str = "float32") -> YoloDetector:
    return YoloDetector(tiny.of("detect").weights, ModelIdentity("tiny", "1"), "cpu", dtype=dtype)


def assert_alike(one: list[tuple[Detection, ...]], other: list[tuple[Detection, ...]]) -> None:
    assert sum(map(len, one)) >= 12
    for mine, its in zip(one, other, strict=True):
        assert [each.label for each in mine] == [each.label for each in its]
        np.testing.assert_allclose([each.box for each in mine], [each.box for each in its], atol=1e-4)
        np.testing.assert_allclose(
            [each.confidence for each in mine], [each.confidence for each in its], atol=1e-4
        )


@pytest.mark.must_run
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_pinned_ultralytics_supports_the_fast_predictor(
    tiny: Settings, caplog: pytest.LogCaptureFixture, dtype: str
) -> None:
    """Without it a GPU waits for images that are prepared one by one, and computes in float32."""
    loaded = detector(tiny, dtype)
    assert isinstance(loaded._yolo, yolo_network.FastYolo)
    assert loaded._yolo._model.predictor.dtype == getattr(torch, dtype)
    assert caplog.text == ""
    loaded.close()


def _preparation_is_renamed(patch: pytest.MonkeyPatch) -> None:
    real = BasePredictor.stream_inference

    def stream_inference(self, *given, **named):
        self.preprocess = super(type(self), self).preprocess  # imgret's method is not called
        return real(self, *given, **named)

    patch.setattr(BasePredictor, "stream_inference", stream_inference)


def _numbers_go_to_255(patch: pytest.MonkeyPatch) -> None:
    real, network = BasePredictor.preprocess, AutoBackend.forward
    patch.setattr(BasePredictor, "preprocess", lambda self, im: real(self, im) * 255)
    patch.setattr(
        AutoBackend, "forward", lambda self, im, *rest, **named: network(self, im / 255, *rest, **named)
    )


def _the_stride_is_hidden(patch: pytest.MonkeyPatch) -> None:
    real = AutoBackend.__getattr__
    prepared = BasePredictor.preprocess

    def hidden(self, name):
        if name == "stride" and not getattr(self, "_inside", False):
            raise AttributeError("no attribute 'stride'")
        return real(self, name)

    def preprocess(self, im):
        self.model.__dict__["_inside"] = True
        try:
            return prepared(self, im)
        finally:
            self.model.__dict__["_inside"] = False

    setup = BasePredictor.setup_source

    def setup_source(self, source, stride=None):
        self.model.__dict__["_inside"] = True
        setup(self, source, stride)
        self.model.__dict__["_inside"] = False

    patch.setattr(AutoBackend, "__getattr__", hidden)
    patch.setattr(BasePredictor, "preprocess", preprocess)
    patch.setattr(BasePredictor, "setup_source", setup_source)


@pytest.mark.must_run
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_preparation_is_renamed, "prepares images differently"),
        (_numbers_go_to_255, "prepares images differently"),
        (_the_stride_is_hidden, "no attribute 'stride'"),
    ],
)
def test_a_changed_ultralytics_is_used_through_its_documented_interface(
    tiny: Settings,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Change,
    problem: str,
) -> None:
    expected = models["detect"].detector.detect(images())
    change(monkeypatch)
    loaded = detector(tiny)
    assert isinstance(loaded._yolo, yolo_network.PlainYolo)
    assert_alike(loaded.detect(images()), expected)
    assert problem in caplog.text
    loaded.close()


def test_a_network_that_cannot_be_halved_computes_in_float32(
    tiny: Settings, models: Models, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        yolo_network._Float32, "forward", lambda self, values: values
    )  # boxes have another dtype
    loaded = detector(tiny, "bfloat16")
    assert isinstance(loaded._yolo, yolo_network.FastYolo)
    assert loaded._yolo._model.predictor.dtype == torch.float32
    assert_alike(loaded.detect(images()), models["detect"].detector.detect(images()))
    assert "detection is slower with this version of ultralytics" in caplog.text
    loaded.close()


def test_out_of_memory_does_not_count_as_a_changed_interface(
    tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self, im):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(yolo_network._Predictor, "preprocess", fails)
    with pytest.raises(WeightsError, match="out of memory"):
        detector(tiny)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Clear the cached result of the check before and after the test."""
    yolo_pickle._refuses.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    yolo_pickle._refuses.cache_clear()


@pytest.mark.must_run
def test_the_pinned_ultralytics_runs_no_code_of_a_file(fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(tasks, "SAFE_LOAD", False)  # as if ULTRALYTICS_SAFE_LOAD had not been set before the import
    yolo_pickle.forbid_code()
    assert tasks.SAFE_LOAD


@pytest.mark.must_run
def test_weights_are_refused_if_ultralytics_would_run_their_code(
    fresh: pytest.MonkeyPatch, tiny: Settings
) -> None:
    fresh.setattr(tasks._SafeLoad, "SUPPORTED", False)  # it then loads everything without a warning
    with pytest.raises(WeightsError, match="cannot read weights without running their code"):
        detector(tiny)
