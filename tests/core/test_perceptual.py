"""Perceptual signatures, and which photos are edits of others."""

from __future__ import annotations

import math
import random
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from imgret.decode.edit_detection import Traits, is_edit
from imgret.decode.perceptual import GRID, SAME_IMAGE, SIGNATURE_BYTES, colour, signature, similarity
from imgret.demo.draw import render, single
from imgret.photo import Facts


def look(image: Image.Image) -> bytes:
    small = image.resize((GRID, GRID), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return signature(small.convert("L").tobytes())


def scene(seed: int) -> Image.Image:
    """Return an image with structure at every scale, like a photo."""
    rng = random.Random(seed)
    image = Image.new("L", (1, 1))
    for side in (3, 6, 12, 24):
        layer = Image.frombytes("L", (side, side), rng.randbytes(side * side))
        layer = layer.resize((320, 240), Image.Resampling.BICUBIC)
        image = layer if image.size == (1, 1) else Image.blend(image, layer, 0.35)
    return image


@given(st.binary(min_size=GRID * GRID, max_size=GRID * GRID))
def test_a_signature_matches_itself_in_every_orientation(grey: bytes) -> None:
    image = Image.frombytes("L", (GRID, GRID), grey)
    found = signature(grey)
    assert len(found) == SIGNATURE_BYTES
    for turn in Image.Transpose:
        turned = signature(image.transpose(turn).tobytes())
        assert similarity(found, turned) == pytest.approx(1.0, abs=0.02) or similarity(found, found) == 0


@given(st.binary(min_size=64, max_size=64), st.binary(min_size=64, max_size=64))
def test_similarity_is_symmetric_and_bounded(one: bytes, other: bytes) -> None:
    assert similarity(one, other) == pytest.approx(similarity(other, one))
    assert -1.0 <= similarity(one, other) <= 1.000001


PIXELS = st.lists(st.tuples(*[st.integers(0, 255)] * 3), max_size=40)


@given(PIXELS)
def test_a_colour_is_the_chroma_weighted_by_itself(pixels: list[tuple[int, int, int]]) -> None:
    blue, red = (each - 256 if each > 127 else each for each in colour(bytes(chain(*pixels))))
    chroma = [(0.5 * b - 0.331 * g - 0.169 * r, 0.5 * r - 0.419 * g - 0.081 * b) for r, g, b in pixels]
    total = sum(math.hypot(*each) for each in chroma)
    for found, part in ((blue, 0), (red, 1)):
        mean = sum(math.hypot(*each) * each[part] for each in chroma) / total if total else 0
        assert abs(found - mean) <= 0.5001


def test_the_colour_of_a_shape_is_that_on_white_black_and_grey() -> None:
    red, white, black, grey = (220, 30, 30), (255,) * 3, (0,) * 3, (128,) * 3
    alone = colour(bytes(red))
    for ground in (white, black, grey):
        assert colour(bytes(chain(*[red] * 2, *[ground] * 30))) == alone
        assert colour(bytes(ground) * 9) == bytes(2)


def test_the_purest_colours_are_near_almost_pure_ones() -> None:
    for pure, almost in (((255, 0, 0), (254, 0, 0)), ((0, 0, 255), (0, 0, 254))):
        both = [[each - 256 if each > 127 else each for each in colour(bytes(rgb))] for rgb in (pure, almost)]
        assert math.dist(*both) <= 2


def test_edits_are_similar_and_other_images_are_not() -> None:
    scenes = [scene(seed) for seed in range(20)]
    looks = [look(each) for each in scenes]
    for image, before in zip(scenes, looks, strict=True):
        box = (10, 8, 310, 232)
        for edited in (
            image.rotate(180),
            image.transpose(Image.Transpose.ROTATE_90),
            image.resize((100, 75)),
            ImageEnhance.Contrast(image).enhance(1.4),
            ImageEnhance.Brightness(image).enhance(0.6),
            image.crop(box),
        ):
            assert similarity(before, look(edited)) >= SAME_IMAGE
    pairs = [similarity(a, b) for n, a in enumerate(looks) for b in looks[:n]]
    assert max(pairs) < SAME_IMAGE


def test_flat_images_match_nothing() -> None:
    flat = look(Image.new("RGB", (300, 200), (200, 30, 20)))
    assert similarity(flat, look(Image.new("RGB", (300, 200), (0, 0, 255)))) == 0
    assert similarity(flat, look(render(single(random.Random(1), colour="red", kind="circle")))) == 0


A, B = look(scene(1)), look(scene(2))


def traits(taken: int | None = None, camera: str | None = None, seen: bytes | None = A) -> Traits:
    return Traits(Facts("JPEG", 4, 3, taken_at=taken, camera=camera), None, seen)


@pytest.mark.parametrize(
    ("before", "after", "same_file", "expected"),
    [
        (traits(5, "X"), traits(5, "X", B), False, True),  # cropped: the capture times are equal
        (traits(5), traits(6), True, False),  # two of a burst
        (traits(5), traits(None), False, True),  # the editor dropped the time
        (traits(5, "X"), traits(5, "Y"), True, False),
        (traits(None, "X"), traits(None, "Y"), False, False),
        (traits(), traits(seen=B), False, False),  # the file was replaced by another photo
        (traits(), traits(seen=B), True, True),  # the file was overwritten, and no property differs
        (traits(), traits(5, seen=B), True, False),  # no editor adds a capture time
        (Traits(), traits(), False, False),  # never decoded, so nothing is known
        (Traits(), traits(), True, True),
    ],
)
def test_is_edit_by_traits(before: Traits, after: Traits, same_file: bool, expected: bool) -> None:
    assert is_edit(before, after, same_file=same_file) is expected


@given(st.booleans(), st.booleans())
def test_equal_pixels_are_the_same_photo_whatever_the_metadata(same_file: bool, camera: bool) -> None:
    before = Traits(Facts("JPEG", 4, 3, 5, "X"), b"p" * 32)
    after = Traits(Facts("JPEG", 4, 3, 6, "Y" if camera else None), b"p" * 32)
    assert is_edit(before, after, same_file=same_file)
