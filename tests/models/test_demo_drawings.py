"""The images of `imgret.demo.draw` match their descriptions."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgret.demo import draw

drawings = st.builds(
    lambda seed, count, size: (
        draw.single(random.Random(seed), size) if count == 1 else draw.scene(random.Random(seed), count, size)
    ),
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.sampled_from([draw.LANDSCAPE, draw.PORTRAIT]),
)


@settings(deadline=None, max_examples=40)
@given(drawings)
def test_every_shape_has_its_position_and_colour(drawing: draw.Drawing) -> None:
    pixels = np.asarray(draw.render(drawing))
    assert pixels.shape == (drawing.size[1], drawing.size[0], 3)
    for shape in drawing.shapes:
        assert tuple(pixels[shape.y, shape.x]) == draw.COLOURS[shape.colour]
        left, right = shape.x - shape.radius - 2, shape.x + shape.radius + 2
        assert tuple(pixels[shape.y, left]) == tuple(pixels[shape.y, right]) == draw.GROUNDS[drawing.ground]


@given(drawings)
def test_counts_and_caption_match_the_shapes(drawing: draw.Drawing) -> None:
    assert sum(drawing.counts.values()) == len(drawing.shapes)
    largest = max(drawing.shapes, key=lambda shape: shape.radius)
    assert f"{largest.colour} {largest.kind}" in drawing.caption
    assert drawing.ground in drawing.caption


def test_the_demo_folder_is_deterministic_and_its_names_do_not_describe_the_images(tmp_path: Path) -> None:
    first = draw.demo_folder(str(tmp_path / "one"))
    assert draw.demo_folder(str(tmp_path / "two")) == first
    for name in first:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        with Image.open(tmp_path / "one" / name) as image:
            assert image.size == first[name].size
        assert not any(word in name for word in (*draw.COLOURS, *draw.KINDS))
    assert len(first) == 24
    assert {size.size for size in first.values()} == {draw.LANDSCAPE, draw.PORTRAIT}


def test_some_demo_images_have_a_date(tmp_path: Path) -> None:
    made = draw.demo_folder(str(tmp_path))
    dated = []
    for name in made:
        with Image.open(tmp_path / name) as image:
            if 0x9003 in image.getexif().get_ifd(0x8769):
                dated.append(name)
    assert 0 < len(dated) < len(made)
