"""Pillow resizes as the processor does, or the processor is used."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from transformers import BlipImageProcessorPil, CLIPImageProcessorPil, SiglipImageProcessorPil

from imgret.models.image_resize import by_pillow


def with_processor(processor):
    def resized(image):
        steps = {"do_rescale": False, "do_normalize": False}
        return processor(Image.fromarray(image), return_tensors="np", **steps)["pixel_values"][0]

    return resized


@pytest.mark.parametrize("resample", list(Image.Resampling))
@pytest.mark.parametrize("kind", [SiglipImageProcessorPil, BlipImageProcessorPil])
def test_equal_bytes_without_the_processor(kind, resample):
    processor = kind(size={"height": 48, "width": 80}, resample=resample)
    slow = with_processor(processor)
    fast = by_pillow(processor, slow)
    assert fast is not slow
    noise = np.random.default_rng(2)
    for shape in ((48, 80), (1, 1), (300, 20), (97, 641)):
        image = noise.integers(0, 256, (*shape, 3), np.uint8)
        assert np.array_equal(fast(image), slow(image))


def test_a_processor_that_crops_is_used_itself():
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    slow = with_processor(processor)
    assert by_pillow(processor, slow) is slow


def test_a_processor_that_does_something_else_is_used_itself():
    processor = SiglipImageProcessorPil(size={"height": 48, "width": 80})

    def flipped(image):
        return with_processor(processor)(image)[:, ::-1]

    assert by_pillow(processor, flipped) is flipped
