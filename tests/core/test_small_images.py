"""Small images of many photos, for the preview in a terminal and for reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from imgret.cli.small_images import AHEAD, small_images
from imgret.errors import PhotoError


def test_they_come_in_order_and_few_are_in_memory(tmp_path: Path) -> None:
    sizes = [(40 + n, 30) for n in range(AHEAD + 4)]
    for n, size in enumerate(sizes):
        Image.new("RGB", size).save(tmp_path / f"{n}.png")
    (tmp_path / "3.png").write_bytes(b"no image")
    begun = 0

    def paths() -> Iterator[bytes]:
        nonlocal begun
        for n in range(len(sizes)):
            begun += 1
            yield os.fsencode(tmp_path / f"{n}.png")

    found = small_images(paths(), 512)
    assert begun == 0
    images = [next(found)]
    assert begun == AHEAD + 1
    images += found
    assert isinstance(images[3], PhotoError)
    assert "3.png" in str(images[3])
    shapes = [None if isinstance(image, PhotoError) else image.shape for image in images]
    assert shapes == [None if n == 3 else (30, width, 3) for n, (width, _) in enumerate(sizes)]
