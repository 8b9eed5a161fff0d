"""Draw lines around parts of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgret.photo import Corners

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

COLOUR = (255, 214, 0)
_EDGE = (0, 0, 0)  # around the lines, so that they are seen on yellow, too
_LINE = 200  # the shorter side divided by the width of a line


def outlined(pixels: Pixels, outlines: Sequence[Corners]) -> Pixels:
    """Return the image (height, width, 3) with a line around each of `outlines`; `pixels` is not changed."""
    if not outlines:
        return pixels
    import numpy as np
    from PIL import Image, ImageDraw

    height, width = pixels.shape[:2]
    line = max(1, min(height, width) // _LINE)
    image = Image.fromarray(pixels).copy()
    pen = ImageDraw.Draw(image)
    for corners in outlines:
        inside = [min(max(each, 0.0), 1.0) for each in corners]
        points = [
            (round(x * (width - 1)), round(y * (height - 1)))
            for x, y in zip(inside[::2], inside[1::2], strict=True)
        ]
        closed = [*points, points[0]]
        if line > 1:  # in half blocks there is no room for an edge
            pen.line(closed, _EDGE, 3 * line, joint="curve")
        pen.line(closed, COLOUR, line, joint="curve")
    return np.asarray(image)
