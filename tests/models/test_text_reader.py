"""The process that reads text: real models on drawn images, and images that crash, hang or fill it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from imgret.config import places
from imgret.errors import PhotoError, WeightsError
from imgret.models.text_process import LEAST_SIDE, MOST_PIXELS, STRIDE, enlarged
from imgret.models.text_reader import TextReader
from imgret.stages.ocr import MODELS, STAGE, OcrSettings, kept


def files() -> list[str]:
    weights = STAGE.locate(OcrSettings(), places())
    if weights.path is None:
        pytest.skip(str(weights.problem))
    return [os.path.join(weights.path, name) for name in MODELS]


@pytest.fixture(scope="module")
def reader() -> Iterator[TextReader]:
    opened = TextReader(files(), threads=1)
    yield opened
    opened.close()


def sign(*lines: str, size: tuple[int, int] = (480, 320), letters: int = 48, turn: int = 0) -> np.ndarray:
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for at, text in enumerate(lines):
        pen.text((30, 30 + at * letters * 1.5), text, "black", ImageFont.load_default(letters))
    return np.asarray(image.rotate(turn, expand=True))


def texts(reader: TextReader, pixels: np.ndarray) -> list[str]:
    return [line.text for line in reader.read(pixels)]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_sign_is_read_in_any_direction(reader: TextReader, turn: int) -> None:
    lines = reader.read(sign("RESTRICTED", "AREA 51", turn=turn))
    assert sorted(line.text for line in lines) == ["AREA 51", "RESTRICTED"]
    assert all(line.confidence > 0.9 for line in lines)


def test_boxes_are_fractions_that_begin_where_the_text_does(reader: TextReader) -> None:
    (line,) = reader.read(sign("STATION"))
    left, top, right, same_top, *_ = line.box
    assert 30 / 480 - 0.03 < left < 30 / 480 + 0.03
    assert 0.2 < right - left < 0.7
    assert abs(top - same_top) < 0.02
    assert all(0 <= value <= 1 for value in line.box)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((7, 900, 3), np.uint8),
        np.full((64, 1280, 3), 200, np.uint8),  # one colour
        np.tile(np.linspace(0, 255, 1280).astype(np.uint8)[None, :, None], (64, 1, 3)),  # a panorama, 20:1
        np.tile(np.linspace(0, 255, 1280).astype(np.uint8)[:, None, None], (1, 64, 3)),
        np.random.default_rng(1).integers(0, 256, (200, 300, 3)).astype(np.uint8),
    ],
    ids=["one pixel", "a strip", "one colour", "wide", "high", "noise"],
)
def test_images_without_text_have_no_sure_line(reader: TextReader, pixels: np.ndarray) -> None:
    assert [line for line in reader.read(pixels) if line.confidence > 0.9] == []


def test_an_image_of_one_colour_takes_no_time(reader: TextReader) -> None:
    def seconds(pixels: np.ndarray) -> float:
        began = time.monotonic()
        reader.read(pixels)
        return time.monotonic() - began

    flat = np.full((960, 1280, 3), 200, np.uint8)
    noisy = flat + np.random.default_rng(1).integers(0, 15, flat.shape).astype(np.uint8)
    framed = flat.copy()
    framed[0, 0] = 0
    assert max(seconds(flat), seconds(noisy)) < seconds(framed) / 3


def test_a_wide_strip_is_read(reader: TextReader) -> None:
    assert texts(reader, sign("WELCOME TO THE HARBOUR", size=(1280, 64), letters=40)[:, :]) != []


def test_a_page_full_of_lines_is_read_in_reading_order(reader: TextReader) -> None:
    image = Image.new("RGB", (900, 1280), "white")
    pen = ImageDraw.Draw(image)
    for at in range(50):
        pen.text((40, 20 + 25 * at), f"paragraph {at:02} of a long page", "black", ImageFont.load_default(20))
    found = [text.replace(" ", "") for text in texts(reader, np.asarray(image))]
    wanted = [f"paragraph{at:02}ofalongpage" for at in range(50)]
    assert len(set(wanted) & set(found)) >= 48
    assert [text for text in found if text in wanted] == sorted(set(found) & set(wanted))


def test_a_killed_process_fails_one_photo_and_is_replaced(reader: TextReader) -> None:
    first = reader.pid
    assert first is not None
    threading.Timer(0.3, os.kill, (first, signal.SIGSEGV)).start()
    with pytest.raises(PhotoError, match="crashed on this photo") as caught:
        for _ in range(100):
            reader.read(sign("STOP", size=(1280, 960)))
    assert not caught.value.transient
    assert texts(reader, sign("STOP")) == ["STOP"]
    assert reader.pid not in (None, first)


def test_a_process_that_hangs_is_ended_at_the_deadline() -> None:
    hanging = TextReader(files(), threads=1, seconds=1.0)
    assert hanging.pid is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(PhotoError, match="not read within 1 seconds") as caught:
        hanging.read(sign("STOP", size=(1280, 960)))
    assert caught.value.transient
    assert time.monotonic() - began < 10
    hanging.close()


def test_a_process_without_enough_memory_does_not_start() -> None:
    with pytest.raises(WeightsError, match="the process that reads text does not start"):
        TextReader(files(), threads=1, memory_mb=64)


def test_a_file_that_is_no_model_is_reported(tmp_path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(WeightsError, match="does not start"):
        TextReader([str(broken), *files()[1:]], threads=1)


def test_the_process_is_confined_and_ends_with_its_reader() -> None:
    opened = TextReader(files(), threads=1)
    pid = opened.pid
    with open(f"/proc/{pid}/status") as file:
        status = file.read()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    opened.close()
    assert not os.path.exists(f"/proc/{pid}")


def test_the_reader_outlives_the_thread_that_made_it() -> None:
    """The kernel ends a confined process with the thread that started it."""
    made: list[TextReader] = []
    thread = threading.Thread(target=lambda: made.append(TextReader(files(), threads=1)))
    thread.start()
    thread.join()
    (opened,) = made
    pid = opened.pid
    assert texts(opened, sign("STOP")) == ["STOP"]
    assert opened.pid == pid
    opened.close()


# Ends of file names in the prototype's gallery, and a line that can be read in the photo.
GALLERY = {
    "000081": "AIRFRANCE", "000089": "03.22.2010 13:21", "037826": "EOS DIGITAL", "037852": "SELECT",
    "037857": "RESTRICTED AREA", "037868": "SCR", "037925": "VOLCOM", "037968": "OVERSIZE", "038000": "STOP",
    "038017": "mpergon", "038022": "LONDON TRANSPORT", "038079": "SEP", "038123": "WESTIN",
    "038198": "AUG 24 2010", "038226": "Qualität", "038286": "405", "038301": "ENTER", "038411": "Taxi",
    "038435": "FARE", "038487": "Jerrold Bennett",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_words_in_photos_are_found_and_their_line_is_the_reason(reader: TextReader, seed: Path) -> None:
    for number, words in GALLERY.items():
        with Image.open(seed / "gallery" / f"COCO_train2014_000000{number}.jpg") as photo:
            shown = STAGE.json(kept(reader.read(np.asarray(photo.convert("RGB"))), OcrSettings().confidence))
        for word in words.split():
            assert STAGE.why(shown, word, lambda *_: ())[:1] == [f"text: {words}"], number


@given(st.integers(1, 20_000), st.integers(1, 20_000))
@example(32, 14765)  # 53 pixels are rounded to 64
def test_an_enlarged_image_is_bounded(width: int, height: int) -> None:
    wide, high = enlarged(width, height)
    assert wide % STRIDE == high % STRIDE == 0
    assert wide >= width - STRIDE / 2
    assert high >= height - STRIDE / 2
    assert (
        wide * high <= max(MOST_PIXELS, width * height) * 1.4 + STRIDE * STRIDE or min(width, height) < STRIDE
    )
    assert LEAST_SIDE < STRIDE


def test_rapidocr_uses_sessions_that_treat_denormal_numbers_as_zero() -> None:
    # In another process: the first session makes its thread treat them as zero, for good.
    program = (
        "import sys\nfrom imgret.models.text_process import Reader\nengine = Reader(1, *sys.argv[1:])._engine\n"
        "for part in (engine.text_det, engine.text_rec, engine.text_cls):\n"
        "    options = part.session.session.get_session_options()\n"
        "    print(options.get_session_config_entry('session.set_denormal_as_zero'), options.intra_op_num_threads)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *files()], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == ["1 1"] * 3, done.stderr
