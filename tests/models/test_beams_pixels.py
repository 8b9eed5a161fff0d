"""The captioner's pixels equal those of the processor, bit by bit."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from transformers import BlipProcessor


def test_looked_up_pixels_equal_those_of_the_processor(models, tiny):
    rng = np.random.default_rng(0)
    shapes = [(480, 640), (640, 480), (64, 64), (1, 1), (40, 800), (800, 40)]
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    processor = BlipProcessor.from_pretrained(tiny.of("caption").weights, backend="pil").image_processor
    theirs = processor([Image.fromarray(image) for image in images], return_tensors="pt")["pixel_values"]
    assert torch.equal(models["caption"].captioner._pixel_values(images), theirs)
