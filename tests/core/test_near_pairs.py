"""Pairs of similar photos: in bulk as one by one, in any orientation, and without comparing all pairs."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from imgret.decode import perceptual
from imgret.decode.perceptual import DETAIL_BYTES, FINE_GRID, GRID, look, orientations, similarity
from imgret.search import looks
from imgret.search.near_pairs import ENOUGH, near_pairs
from imgret.store.records import Looks

# In the order of `perceptual.orientations`: by columns, by rows, and both after a transposition.
TURNS = (
    None, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE,
)  # fmt: skip
Rows = NDArray[np.int64]


def every(better: Rows, _: Rows) -> NDArray[np.bool_]:
    return np.ones(len(better), np.bool_)


def hashes(signatures: Any, details: Any = None, colours: Any = None) -> Looks:
    count = len(signatures)
    known = details is not None
    return Looks(
        np.arange(count),
        np.asarray(signatures, np.int8),
        np.asarray(details, np.uint8) if known else np.zeros((count, DETAIL_BYTES), np.uint8),
        np.zeros((count, 2), np.int8) if colours is None else np.asarray(colours, np.int8),
        np.full(count, known),
    )


def random_looks(count: int, seed: int = 0) -> Looks:
    """Unrelated photos, with the spectrum of photos."""
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(64), 8)
    spread = 75 / (1 + np.hypot(row, column)) ** 0.6
    signatures = (rng.normal(size=(count, 64)) * spread).round().clip(-127, 127)
    signatures[:, 0] = 0
    return hashes(signatures, rng.integers(0, 256, (count, DETAIL_BYTES)))


def picture(seed: int) -> Image.Image:
    """A picture with structure at every scale."""
    rng = np.random.default_rng(seed)
    image = np.zeros((96, 96))
    for side in (3, 6, 12, 24, 48, 96):
        noise = Image.fromarray(rng.integers(0, 255, (side, side), np.uint8))
        image += np.asarray(noise.resize((96, 96), Image.Resampling.BICUBIC), float)
    return Image.fromarray((image / 6).astype(np.uint8))


def look_of(image: Image.Image) -> bytes:
    sides = (image.resize((side, side), Image.Resampling.BOX) for side in (GRID, FINE_GRID))
    return look(*(small.tobytes() for small in sides), bytes(3))


@pytest.mark.parametrize("side", range(8))
def test_a_turned_hash_is_that_of_the_turned_image(side: int) -> None:
    image, turn = picture(1), TURNS[side]
    upright, expected = (
        looks.packed(look_of(each)) for each in (image, image if turn is None else image.transpose(turn))
    )
    signature = looks.turned(upright.signatures, side)
    assert signature[0].tolist() == orientations(look_of(image))[side]
    assert np.abs(signature.astype(int) - expected.signatures).max() <= 1
    assert looks.differing_bits(looks.turned_details(upright.details, side), expected.details)[0] <= 2
    weights = np.arange(64, dtype=np.float32)
    assert upright.signatures[0] @ looks.turned_weights(weights, side) == signature[0] @ weights
    each = np.array([side])
    assert (looks.turned(upright.signatures, each) == signature).all()
    assert (looks.turned_details(upright.details, each) == looks.turned_details(upright.details, side)).all()


@given(st.binary(min_size=FINE_GRID**2, max_size=FINE_GRID**2))
def test_a_detail_has_the_signs_of_the_fine_frequencies(grey: bytes) -> None:
    bits = np.unpackbits(np.frombuffer(perceptual.detail(grey), np.uint8))
    x = np.arange(FINE_GRID)
    waves = np.cos(np.pi * np.outer(np.arange(16), 2 * x + 1) / (2 * FINE_GRID))
    frequencies = waves @ np.frombuffer(grey, np.uint8).reshape(FINE_GRID, FINE_GRID).astype(float) @ waves.T
    values = np.array([frequencies[place] for place in perceptual.DETAIL_PLACES])
    clear = np.abs(values) > 1e-6
    assert (bits[clear] == (values[clear] > 0)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.floats(0.8, 0.999))
def test_all_pairs_of_a_small_library_are_those_that_are_similar(seed: int, count: int, least: float) -> None:
    """Without details, and with signatures of which many are alike."""
    rng = np.random.default_rng(seed)
    base = random_looks(3, seed).signatures[rng.integers(0, 3, count)]
    noisy = (base + rng.normal(0, 6, base.shape)).clip(-127, 127).astype(np.int8)
    noisy[rng.random(count) < 0.1] = 0
    turned = looks.turned(noisy, rng.integers(0, 8, count))
    cosine = np.array([[similarity(a.tobytes(), b.tobytes()) for b in turned] for a in turned])
    assume((np.abs(cosine - max(least, looks.COARSE)) > 1e-5).all())
    energy = looks.energies(turned)
    expected = {
        (a, b)
        for b in range(count)
        for a in range(b)
        if cosine[a, b] >= max(least, looks.COARSE)
        and max(energy[a], energy[b]) <= looks.MOST_CONTRAST * min(energy[a], energy[b])
    }
    assume(all(sum(b == worse for _, worse in expected) < ENOUGH for b in range(count)))
    found = near_pairs(hashes(turned), least, every)
    assert set(zip(found.better.tolist(), found.worse.tolist(), strict=True)) == {
        (a, b) for a, b in expected if min(energy[a], energy[b]) >= looks.PLAIN
    }
    assert (np.abs(found.similarity - cosine[found.better, found.worse]) < 1e-5).all()


def test_a_large_library_finds_the_copies_and_nothing_else() -> None:
    base = random_looks(20_000)
    rng = np.random.default_rng(1)
    copied = np.arange(0, 20_000, 50)
    side = np.where(np.arange(len(copied)) % 2, rng.integers(0, 8, len(copied)), 0)
    noise = rng.normal(0, 2.5, (len(copied), 64))
    signatures = (base.signatures[copied] + noise).round().clip(-127, 127).astype(np.int8)
    flips = np.packbits(rng.random((len(copied), 192)) < 0.05, axis=1)
    found = near_pairs(
        hashes(
            np.concatenate([base.signatures, looks.turned(signatures, side)]),
            np.concatenate([base.details, looks.turned_details(base.details[copied] ^ flips, side)]),
        ),
        looks.COPY,
        every,
    )
    expected = {(int(one), 20_000 + place) for place, one in enumerate(copied)}
    pairs = set(zip(found.better.tolist(), found.worse.tolist(), strict=True))
    assert pairs <= expected
    assert len(pairs) >= 0.99 * len(expected)


def test_details_and_other_evidence_decide() -> None:
    one = random_looks(1)
    other = np.packbits(~np.unpackbits(one.details))[None]
    both = hashes(np.repeat(one.signatures, 2, axis=0), np.concatenate([one.details, other]))
    assert len(near_pairs(both, looks.COPY, every).worse) == 0
    same = hashes(np.repeat(one.signatures, 2, axis=0), np.repeat(one.details, 2, axis=0))
    assert near_pairs(same, looks.COPY, every).worse.tolist() == [1]
    assert len(near_pairs(same, looks.COPY, lambda better, _: better < 0).worse) == 0
    for colours, copies in (
        ([[60, -30], [-30, 60]], 0),
        ([[60, -30], [60, -10]], 1),
        ([[60, -30], [-5, 9]], 1),
    ):
        pair = same._replace(colours=np.array(colours, np.int8))
        assert len(near_pairs(pair, looks.COPY, every).worse) == copies
        first, second = (looks.chosen(pair, np.array([row])) for row in (0, 1))
        assert len(looks.alike(first, second)[0]) == copies


def test_an_image_of_twice_the_contrast_is_another_one() -> None:
    one = random_looks(1)
    halved = (one.signatures / 2**0.5).round().astype(np.int8)
    for signatures, copies in ((halved, 0), ((one.signatures / 1.45**0.5).round().astype(np.int8), 1)):
        pair = hashes(np.concatenate([one.signatures, signatures]), np.repeat(one.details, 2, axis=0))
        assert len(near_pairs(pair, looks.COPY, every).worse) == copies
        first, second = (looks.chosen(pair, np.array([row])) for row in (0, 1))
        assert len(looks.alike(first, second)[0]) == copies


@given(st.lists(st.tuples(st.integers(-127, 127), st.integers(-127, 127)), min_size=2, max_size=2))
def test_hues_are_compared_by_their_angle(pair: list[tuple[int, int]]) -> None:
    one, other = (complex(*colour) for colour in pair)
    strong = min(abs(one), abs(other)) >= looks.STRONG_COLOUR
    angle = abs(math.degrees(cmath.phase(one / other))) if strong else 0.0
    assume(abs(angle - 35) > 0.1)
    colours = [np.array([colour], np.int8) for colour in pair]
    assert looks.same_hue(*colours)[0] == looks.same_hue(*reversed(colours))[0] == (angle < 35)


def test_many_equal_photos_take_neither_memory_nor_time() -> None:
    base = random_looks(1)
    count = 20_000
    same = hashes(np.repeat(base.signatures, count, axis=0), np.repeat(base.details, count, axis=0))
    found = near_pairs(same, looks.COPY, every)
    assert len(found.worse) <= count * ENOUGH * 12
    assert (found.better < found.worse).all()
    assert np.unique(found.worse).tolist() == list(range(1, count))


def test_flat_images_are_similar_to_none() -> None:
    flat = hashes(np.random.default_rng(1).integers(-4, 5, (5_000, 64)))
    assert len(near_pairs(flat, looks.COPY, every).worse) == 0
    assert len(near_pairs(hashes(np.zeros((0, 64))), looks.COPY, every).worse) == 0
