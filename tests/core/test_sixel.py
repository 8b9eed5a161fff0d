"""Sixels, decoded by a decoder that follows the format's specification."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imgret.terminal import sixel

TOKEN = re.compile(r'"([\d;]+)|#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])')


def decoded(text: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the pixels of the sequence and a mask of those that it sets. Pixels outside the declared size are an error."""
    match = re.fullmatch(r"\x1bP0;1;0q(.*)\x1b\\", text, re.DOTALL)
    assert match is not None
    colours: dict[int, tuple[int, ...]] = {}
    x = y = colour = position = 0
    pixels = np.zeros((0, 0, 3), np.uint8)
    touched = np.zeros((0, 0), bool)
    body = match[1]
    while position < len(body):
        token = TOKEN.match(body, position)
        assert token is not None, body[position : position + 20]
        position = token.end()
        raster, define, red, green, blue, select, count, repeated, single, move = token.groups()
        if raster:
            _, _, width, height = map(int, raster.split(";"))
            pixels = np.zeros((height, width, 3), np.uint8)
            touched = np.zeros((height, width), bool)
        elif define:
            colours[int(define)] = tuple(round(int(part) * 2.55) for part in (red, green, blue))
        elif select:
            colour = int(select)
        elif move:
            x, y = 0, y + (6 if move == "-" else 0)
        else:
            bits = ord(repeated or single) - 63
            run = slice(x, x + int(count or 1))
            assert run.stop <= pixels.shape[1]
            for line in (line for line in range(6) if bits >> line & 1):
                pixels[y + line, run] = colours[colour]
                touched[y + line, run] = True
            x = run.stop
    return pixels, touched


def test_four_colours_are_decoded_at_their_places() -> None:
    quadrants = np.zeros((40, 50, 3), np.uint8)
    quadrants[:20, :25], quadrants[:20, 25:] = (255, 0, 0), (0, 255, 0)
    quadrants[20:, :25], quadrants[20:, 25:] = (0, 0, 255), (255, 255, 0)
    pixels, touched = decoded(sixel.encode(quadrants))
    assert touched.all()
    assert abs(pixels.astype(int) - quadrants).max() <= 2  # colours are rounded to percent


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([2, 16, 256]),
    st.integers(0, 2**32 - 1),
)
def test_any_image_sets_exactly_the_pixels_of_its_size(
    width: int, height: int, colours: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    text = sixel.encode(picture, colours)
    pixels, touched = decoded(text)
    assert pixels.shape == picture.shape
    assert touched.all()
    assert len(set(re.findall(r"#(\d+);2;", text))) <= colours


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([2, 128, 256]), st.integers(0, 2**32 - 1))
def test_holes_are_not_set(width: int, height: int, colours: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    holes = random.random((height, width)) < random.random()
    assert (decoded(sixel.encode(picture, colours, holes))[1] == ~holes).all()


@pytest.mark.parametrize("colours", [16, 256])
def test_a_smooth_image_stays_similar(colours: int) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(90)), axis=2)
    pixels, _ = decoded(sixel.encode(np.ascontiguousarray(picture), colours))
    assert abs(pixels.astype(int) - picture).mean() < (40 if colours == 16 else 16)
