"""The kitty protocol as a terminal reads it, and the record of the images in it."""

import base64
import io
import os
import re
import resource
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len

from imgret.terminal import kitty
from imgret.terminal.sent import Sent, SentImages

PIXELS = np.random.default_rng(1).integers(0, 256, (60, 90, 3), np.uint8)
SEQUENCE = re.compile(r"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\")


def test_the_chunks_of_an_image_join_to_the_same_pixels() -> None:
    text = kitty.transmit(0x123456, PIXELS, 10, 4)
    parts = SEQUENCE.findall(text)
    assert SEQUENCE.sub("", text) == ""
    assert len(parts) > 1
    assert "i=1193046" in parts[0][0]
    assert "c=10,r=4" in parts[0][0]
    assert "U=1" in parts[0][0]
    assert [keys.endswith("m=1") for keys, _ in parts] == [True] * (len(parts) - 1) + [False]
    assert all(len(data) <= kitty.CHUNK and len(data) % 4 == 0 for _, data in parts)
    image = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts))))
    assert np.array_equal(np.asarray(image), PIXELS)


def test_an_image_is_passed_in_a_private_file_if_the_terminal_can_read_it(tmp_path: Path) -> None:
    text = kitty.transmit(7, PIXELS, 10, 4, folder=str(tmp_path))
    ((keys, data),) = SEQUENCE.findall(text)
    path = base64.b64decode(data).decode()
    assert "t=t" in keys
    assert "s=90,v=60" in keys
    assert "tty-graphics-protocol" in path  # otherwise the terminal does not delete it
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert Path(path).read_bytes() == PIXELS.tobytes()
    assert len(text) < 300


@given(st.integers(0, kitty.MAX_CELLS - 1), st.integers(1, kitty.MAX_CELLS))
def test_a_row_of_placeholders_has_one_cell_per_column(row: int, columns: int) -> None:
    text = kitty.placeholders(row, columns)
    assert cell_len(text) == columns
    cells = [text[start : start + 3] for start in range(0, len(text), 3)]
    assert [cell[0] for cell in cells] == [kitty.PLACEHOLDER] * columns
    assert {cell[1] for cell in cells} == {kitty.MARKS[row]}
    assert [kitty.MARKS.index(cell[2]) for cell in cells] == list(range(columns))


def test_the_marks_match_the_protocol() -> None:
    assert len(set(kitty.MARKS)) == kitty.MAX_CELLS
    assert [ord(mark) for mark in kitty.MARKS[:5]] == [0x305, 0x30D, 0x30E, 0x310, 0x312]
    assert list(kitty.MARKS) == sorted(kitty.MARKS)


def test_tmux_receives_each_sequence_unchanged() -> None:
    text = kitty.delete(5) + kitty.delete(6)
    wrapped = kitty.through_tmux(text)
    inside = re.findall(r"\x1bPtmux;(.*?[^\x1b])\x1b\\(?!\x1b\\)", wrapped, re.DOTALL)
    assert wrapped.count("\x1bPtmux;") == 2
    assert "".join(inside).replace("\x1b\x1b", "\x1b") == text


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 60)), max_size=60))
def test_the_images_in_the_terminal_never_exceed_the_budget(steps: list[tuple[int, int]]) -> None:
    sent = SentImages(budget=100, first_id=0xFFFFFE)
    held: dict[int, int] = {}
    for key, size in steps:
        picture = Sent(sent.new_id(), 1, 1, size)
        for image_id in sent.add(key, picture):
            del held[image_id]  # each image is deleted once
        assert picture.image_id not in held
        assert 0 < picture.image_id < 1 << 24
        held[picture.image_id] = size
        assert sum(held.values()) == sent.size <= 100
        assert len(sent) == len(held)
        assert sent.get(key) == picture
    assert sorted(sent.clear()) == sorted(held)
    assert sent.size == len(sent) == 0


def test_the_last_used_image_is_kept() -> None:
    sent = SentImages(budget=20)
    first, second, third = (Sent(sent.new_id(), 1, 1, 10) for _ in range(3))
    assert sent.add("first", first) == sent.add("second", second) == []
    assert sent.get("first") == first
    assert sent.add("third", third) == [second.image_id]


def test_without_a_file_the_pixels_are_in_the_text(tmp_path: Path) -> None:
    pixels = np.full((2, 3, 3), 7, np.uint8)
    assert kitty.store(9, pixels, folder=str(tmp_path / "missing")) == kitty.store(9, pixels)


def test_a_full_folder_leaves_no_file(tmp_path: Path) -> None:
    pixels = np.full((100, 100, 3), 7, np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        text = kitty.store(9, pixels, folder=str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert text == kitty.store(9, pixels)
    assert list(tmp_path.iterdir()) == []
