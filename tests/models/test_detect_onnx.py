"""The detector with real weights (YOLOv8n, int8 ONNX) and real photos, and with invalid weights."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgret.config import Places, Settings
from imgret.demo import draw
from imgret.models.model_protocols import Pixels
from imgret.pipeline.loading import load_models
from imgret.pipeline.models import Models
from imgret.stages import passage
from imgret.stages.detect import DetectSettings


def photo(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"))


def detector(weights: Path, here: Places, device: str = "cpu"):
    return load_models(
        Settings(device=device).with_tables(detect=DetectSettings(weights=str(weights))), here, ["detect"]
    )


def test_real_photos(seed: Path, here: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra imgret[onnx] is not installed")
    monkeypatch.chdir(tmp_path)
    loaded = detector(seed / "weights" / "yolov8n_int8.onnx", here)
    assert "detect" in loaded, loaded.missing
    gallery = seed / "gallery"
    giraffes = photo(gallery / "COCO_train2014_000000000025.jpg")
    plane = photo(gallery / "COCO_train2014_000000000081.jpg")
    upright = np.ascontiguousarray(np.rot90(plane))
    together = loaded["detect"].detector.detect([giraffes, plane, upright])
    assert "giraffe" in passage.counts(together[0])
    assert passage.counts(together[1]) == {"airplane": 1}
    assert together == [loaded["detect"].detector.detect([image])[0] for image in (giraffes, plane, upright)]
    assert all(0 <= edge <= 1 for found in together for one in found for edge in one.box)
    loaded.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"state"}  # nothing is written to the working folder


def test_boxes_equal_those_of_the_library(models: Models, tiny: Settings) -> None:
    """RGB, letterboxed in threads, channels last: the same objects as from `YOLO.predict`."""
    from ultralytics import YOLO

    rng = random.Random(3)
    images = [np.asarray(draw.render(draw.single(rng))) for _ in range(6)]
    images[1] = np.ascontiguousarray(np.rot90(images[1]))
    library = YOLO(tiny.of("detect").weights)
    for image, found in zip(images, models["detect"].detector.detect(images), strict=True):
        boxes = library.predict(image[..., ::-1].copy(), save=False, verbose=False, device="cpu")[0].boxes
        assert [one.label for one in found] == [library.names[int(number)].lower() for number in boxes.cls]
        np.testing.assert_allclose([one.box for one in found], boxes.xyxyn, atol=1e-4)


def test_colours_are_not_swapped(seed: Path, here: Places) -> None:
    """With red and blue swapped, the detector is less confident on real photos."""
    pytest.importorskip("onnxruntime", reason="the extra imgret[onnx] is not installed")
    loaded = detector(seed / "weights" / "yolov8n_int8.onnx", here)
    assert loaded["detect"].detector
    photos = [photo(path) for path in sorted((seed / "gallery").glob("*.jpg"))[:8]]
    swapped = [np.ascontiguousarray(image[..., ::-1]) for image in photos]

    def sure(found: list[tuple[object, ...]]) -> float:
        return sum(one.confidence for each in found for one in each)  # type: ignore[attr-defined]

    assert sure(loaded["detect"].detector.detect(photos)) > sure(loaded["detect"].detector.detect(swapped))
    loaded.close()


def field(number: int, value: bytes) -> bytes:
    """Return one length-delimited field of a protobuf message, at most 127 bytes long."""
    return bytes([number << 3 | 2, len(value)]) + value


def network_with_weights_in(file: str) -> bytes:
    """Return an ONNX network y = x + w, whose w is four floats in a separate file (`external_data`)."""
    location = field(1, b"location") + field(2, file.encode())
    w = b"\x08\x04\x10\x01" + field(8, b"w") + field(13, location) + b"\x70\x01"
    four_floats = field(2, field(1, b"\x08\x01" + field(2, field(1, b"\x08\x04"))))
    add = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, b"Add")
    x, y = field(11, field(1, b"x") + four_floats), field(12, field(1, b"y") + four_floats)
    graph = field(1, add) + field(2, b"g") + field(5, w) + x + y
    return (
        b"\x08\x08"
        + b"\x3a"
        + bytes([len(graph) & 127 | 128, len(graph) >> 7])
        + graph
        + field(8, b"\x10\x0d")
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.pt", b"not weights at all"),
        ("broken.onnx", b"not weights at all"),
        ("empty.pt", b""),
        ("empty.onnx", b""),
        ("elsewhere.onnx", network_with_weights_in("../../../../../../etc/passwd")),
        ("absolute.onnx", network_with_weights_in("/etc/passwd")),
    ],
)
def test_invalid_weights_are_reported_by_name(
    here: Places, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    loaded = detector(tmp_path / name, here)
    assert "detect" not in loaded
    assert str(tmp_path / name) in loaded.missing["detect"]


def test_a_pickle_that_runs_code_is_refused(here: Places, tmp_path: Path) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"model": Trap()}, tmp_path / "trap.pt")
    loaded = detector(tmp_path / "trap.pt", here)
    assert "detect" not in loaded
    assert not (tmp_path / "sprung").exists()


def test_a_missing_device_is_reported(here: Places, tiny: Settings) -> None:
    loaded = detector(Path(tiny.of("detect").weights), here, device="cuda:99")
    assert "the device 'cuda:99' cannot be used" in loaded.missing["detect"]


def test_loading_and_running_prints_nothing_and_writes_only_to_imgrets_folders(
    tiny: Settings, here: Places, tmp_path: Path
) -> None:
    program = (
        "import numpy as np\n"
        "from imgret.config import places\n"
        "from imgret.demo.bundled import demo_settings\n"
        "from imgret.pipeline.loading import load_models\n"
        "from imgret.stages import Item\n"
        "models = load_models(demo_settings(), places())\n"
        "image = np.zeros((64, 48, 3), dtype=np.uint8)\n"
        "item = Item(image, {'caption': ('a dog',)})\n"
        "for stage in models:\n"
        "    if stage != 'metadata': models[stage].run([item])\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    there = tmp_path / "there"
    there.mkdir()
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "YOLO_", "HF_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=there,
        env=environ | {"HOME": str(home)},
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(there.iterdir()) == []
    assert {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()} <= {
        f".local/state/imgret/{name}"
        for name in (
            "local-weights.toml",
            "local-weights.toml.lock",
            "Ultralytics/settings.json",
        )
    }


@given(
    st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([160, 320, 640]), st.sampled_from([32, 64])
)
def test_the_letterboxed_shape_equals_that_of_the_library(
    height: int, width: int, side: int, stride: int
) -> None:
    from ultralytics.data.augment import LetterBox

    from imgret.models.yolo_network import letterboxed

    ratio = max(height, width) / min(height, width)
    if ratio > 100:  # the library scales such a line to zero height
        return
    image = np.zeros((height, width, 3), dtype=np.uint8)
    boxed = LetterBox((side, side), auto=True, stride=stride)(image=image)
    assert boxed.shape[:2] == letterboxed((height, width), (side, side), stride)


def test_onnxruntime_sends_no_telemetry(tmp_path: Path) -> None:
    """Otherwise it stores an identifier of this computer and a database of events in the user's cache."""
    pytest.importorskip("onnxruntime", reason="the extra imgret[onnx] is not installed")
    script = (
        "from imgret.config import places\n"
        "from imgret.models import torch_device as backend\n"
        "backend.prepare(places())\n"
        "import onnxruntime\n"
        "onnxruntime.SessionOptions()\n"
    )
    environ = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", script], env=environ, check=True)
    assert not list(tmp_path.rglob("Microsoft"))
