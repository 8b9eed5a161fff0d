"""Resizing with Pillow alone, where that equals what an image processor of transformers does.

A processor takes about a millisecond of Python for each image, in which it holds the interpreter's lock: threads that
call it wait for each other, and a GPU waits for all of them. Pillow's own `resize` releases the lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from imgret.models.model_protocols import Pixels

Resize = Callable[[Pixels], Pixels]

MOST_THREADS = 16  # that resize images for one device

# (height, width) of images by which the two are compared: shrunk and enlarged, wide and high
_COMPARED = ((611, 403), (53, 640), (1, 7))


def by_pillow(processor: Any, resized: Resize) -> Resize:
    """Return a function that resizes as `resized` does, by Pillow if the results are equal.

    `processor` has the size and the filter. `resized` calls it on an image (height, width, 3) and returns
    (3, height, width). It is returned itself if the processor does anything else, such as cropping.
    """
    size = getattr(processor, "size", None)
    try:
        height, width = int(size["height"]), int(size["width"])  # type: ignore[index]
        resample = Image.Resampling(int(processor.resample))
    except (TypeError, KeyError, ValueError, AttributeError):
        return resized

    def resize(image: Pixels) -> Pixels:
        made = Image.fromarray(image).resize((width, height), resample)
        return np.asarray(made).transpose(2, 0, 1)

    noise = np.random.default_rng(1)
    for shape in _COMPARED:
        image = noise.integers(0, 256, (*shape, 3), np.uint8)
        if not np.array_equal(resize(image), resized(image)):
            return resized
    return resize
