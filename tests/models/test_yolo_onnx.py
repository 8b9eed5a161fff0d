"""Detection from ONNX files without ultralytics: the same objects as with it, and broken networks by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgret.errors import WeightsError
from imgret.models.letterbox import PADDING, Letterbox, resized
from imgret.models.model_protocols import Pixels
from imgret.models.yolo_onnx import IOU, OnnxDetector, chosen, suppressed
from imgret.photo import ModelIdentity

pytest.importorskip("onnxruntime", reason="the extra imgret[onnx] is not installed")

SIDE, BOXES = 64, 8
sides = st.integers(1, 90)


def network(
    path: Path, output: np.ndarray, shape: Sequence[int | str] = (1, 3, SIDE, SIDE), **facts: str
) -> Path:
    """Write a network whose output is `output`, whatever the image. It has ultralytics' metadata."""
    onnx = pytest.importorskip("onnx", reason="the extra imgret[dev] is not installed")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMin", ["images"], ["least"], keepdims=0),
            helper.make_node("Mul", ["least", "zero"], ["nothing"]),
            helper.make_node("Add", ["boxes", "nothing"], ["output0"]),
        ],
        "constant",
        [helper.make_tensor_value_info("images", floats, list(shape))],
        [helper.make_tensor_value_info("output0", floats, list(output.shape))],
        [
            onnx.numpy_helper.from_array(output.astype(np.float32), "boxes"),
            onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"task": "detect", "stride": "32", "names": "{0: 'Dog', 1: 'cat'}"} | facts)
    onnx.save(model, path)
    return path


def detector(path: Path) -> OnnxDetector:
    return OnnxDetector(str(path), ModelIdentity("net", "1"), "cpu")


def raw(*boxes: tuple[float, ...]) -> np.ndarray:
    """Return the output of a network (1, 4 + classes, boxes) for rows of centre, size and scores."""
    return np.array(boxes, np.float32).T[np.newaxis]


def test_objects_equal_those_of_ultralytics_on_real_photos(seed: Path) -> None:
    from ultralytics import YOLO

    weights = seed / "weights" / "yolov8n_int8.onnx"
    library, ours = YOLO(str(weights), task="detect"), detector(weights)
    compared = 0
    for path in sorted((seed / "gallery").glob("*.jpg"))[:12]:
        photo = np.asarray(Image.open(path).convert("RGB"))
        boxes = library.predict(photo[..., ::-1].copy(), save=False, verbose=False, device="cpu")[0].boxes
        found = ours.detect([photo])[0]
        assert [one.label for one in found] == [library.names[int(number)] for number in boxes.cls], path
        np.testing.assert_allclose([one.confidence for one in found], boxes.conf, atol=1e-4)
        np.testing.assert_allclose(np.reshape([one.box for one in found], (-1, 4)), boxes.xyxyn, atol=1e-4)
        compared += len(found)
    assert compared > 20


@settings(deadline=None)  # the library is imported by the first example
@given(sides, sides, st.sampled_from([(64, 64, 0), (64, 96, 0), (64, 64, 32)]), st.integers(0, 2**32 - 1))
def test_the_letterbox_equals_that_of_ultralytics(
    height: int, width: int, size: tuple[int, int, int], seed: int
) -> None:
    from ultralytics.data.augment import LetterBox

    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows, columns, stride = size
    expected = LetterBox((rows, columns), auto=bool(stride), stride=stride or 32)(image=image)
    boxed, placement = Letterbox(rows, columns, stride=stride)(image)
    assert boxed.shape == expected.shape
    np.testing.assert_array_equal(boxed, expected)
    left, top, wide, high = placement
    whole = np.array([[left, top, left + wide, top + high]], np.float32)
    assert placement.fractions(whole) == [(0, 0, 1, 1)]
    boxed[top : top + high, left : left + wide] = PADDING
    assert (boxed == PADDING).all()


@given(sides, sides, sides, sides, st.integers(0, 255))
def test_a_plain_image_stays_plain(height: int, width: int, rows: int, columns: int, level: int) -> None:
    assert (resized(np.full((height, width, 3), level, np.uint8), rows, columns) == level).all()


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.integers(0, 2)), max_size=30))
def test_of_boxes_that_overlap_the_first_is_kept(corners: list[tuple[int, ...]]) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in corners], np.float32).reshape(-1, 4)
    classes = np.array([each[4] for each in corners], np.intp)
    kept = suppressed(boxes, classes)

    def overlap(one: int, other: int) -> bool:
        a, b = boxes[one], boxes[other]
        wide, high = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        shared = max(wide, 0) * max(high, 0)
        areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
        return classes[one] == classes[other] and shared > np.float32(IOU) * (areas - shared)

    assert kept == sorted(kept)
    for row in range(len(boxes)):
        covered = any(overlap(first, row) for first in kept if first < row)
        assert (row in kept) != covered


def test_boxes_below_the_confidence_are_left_out_and_classes_do_not_suppress_each_other() -> None:
    rows = raw(
        (20, 20, 10, 10, 0.9, 0.1),
        (20, 20, 10, 10, 0.2, 0.8),
        (21, 20, 10, 10, 0.7, 0),
        (5, 5, 4, 4, 0.2, 0.2),
    )
    found = chosen(rows[0], 0.25)
    np.testing.assert_allclose(found, [(15, 15, 25, 25, 0.9, 0), (15, 15, 25, 25, 0.8, 1)], atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, SIDE, SIDE), ("batch", 3, "height", "width")])
def test_boxes_are_fractions_of_the_photo(tmp_path: Path, shape: tuple[int | str, ...]) -> None:
    path = network(
        tmp_path / "a.onnx",
        raw((32, 32, 32, 16, 0.1, 0.75), *[(0, 0, 1, 1, 0, 0)] * BOXES),
        shape,
        imgsz="[64, 64]",
    )
    wide: Pixels = np.zeros((100, 200, 3), np.uint8)  # 64 x 32 in the network
    (found,) = detector(path).detect([wide])[0]
    assert (found.label, found.confidence) == ("cat", 0.75)
    top = 16 if shape[2] == SIDE else 0  # a network of free size gets no padding here
    expected = (0.25, (24 - top) / 32, 0.75, (40 - top) / 32)
    assert found.box == pytest.approx([min(edge, 1) for edge in expected])


def test_a_network_that_selects_its_boxes_is_believed(tmp_path: Path) -> None:
    rows = np.array([[(0, 0, 64, 64, 0.9, 0), (0, 0, 64, 64, 0.8, 0), (0, 0, 64, 64, 0.1, 1)]], np.float32)
    found = detector(network(tmp_path / "a.onnx", rows, end2end="True")).detect(
        [np.zeros((64, 64, 3), np.uint8)]
    )[0]
    assert [(one.label, round(one.confidence, 3)) for one in found] == [("dog", 0.9), ("dog", 0.8)]


def test_a_label_without_a_name_has_its_number(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx", raw((32, 32, 32, 16, 0.1, 0.75)), names="what?")
    assert detector(path).detect([np.zeros((64, 64, 3), np.uint8)])[0][0].label == "class1"


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "segments": ({"output": raw((1, 1, 1, 1, 1)), "task": "segment"}, "is not a network for detection"),
    "batches": ({"output": raw((1, 1, 1, 1, 1)), "shape": (4, 3, 64, 64)}, "exported for 4 images at a time"),
    "grey": ({"output": raw((1, 1, 1, 1, 1)), "shape": (1, 1, 64, 64)}, "not that of an image"),
    "vector": ({"output": np.zeros((1, 1000))}, r"exported for detection: its output has the shape"),
    "rows": ({"output": np.zeros((1, 3, 9))}, r"exported for detection: its output has the shape"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_another_network_is_refused_by_name(tmp_path: Path, name: str) -> None:
    given, message = BROKEN[name]
    path = network(tmp_path / f"{name}.onnx", **given)
    with pytest.raises(WeightsError, match=message) as caught:
        detector(path)
    assert str(path) in str(caught.value)


@pytest.mark.must_run
def test_detection_from_onnx_imports_neither_torch_nor_ultralytics(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx", raw((32, 32, 32, 16, 0.1, 0.75)))
    code = (
        "import sys, numpy as np\n"
        "from imgret.config import Settings, places\n"
        "from imgret.pipeline.loading import load_models\n"
        "from imgret.stages import Item\n"
        "from imgret.stages.detect import DetectSettings\n"
        f"settings = Settings().with_tables(detect=DetectSettings(weights={str(path)!r}))\n"
        "models = load_models(settings, places(), ['detect'])\n"
        "print(len(models['detect'].run([Item(np.zeros((64, 64, 3), np.uint8))])[0].payload))\n"
        "print(*{'torch', 'ultralytics', 'cv2', 'transformers'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n\n"
